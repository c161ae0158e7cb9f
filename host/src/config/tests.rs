//! A configuration is read from text and a made-up environment.

mod kept;
mod secrets;
mod told;

use super::*;

type Loaded = Result<(Config, Vec<Warning>), ConfigError>;

fn load_file(name: &str, text: &str, environment: &[(&str, &str)]) -> Loaded {
    let environment = |wanted: &str| {
        let found = environment.iter().find(|(name, _)| *name == wanted);
        found.map(|(_, value)| (*value).to_owned())
    };
    let read = |path: &Path| match path == Path::new(name) {
        true => Ok(text.to_owned()),
        false => Err(io::Error::from_raw_os_error(2)),
    };
    Config::load(Some(Path::new(name)), &[], environment, read)
}

fn load(text: &str, environment: &[(&str, &str)]) -> Loaded {
    load_file("c.yaml", text, environment)
}

/// A configuration without anything to warn of.
#[track_caller]
fn config(text: &str, environment: &[(&str, &str)]) -> Config {
    let (config, warnings) = load(text, environment).unwrap();
    assert_eq!(warnings, []);
    config
}

#[track_caller]
fn check_warnings(text: &str, environment: &[(&str, &str)], expected: &[&str]) {
    let (_, warnings) = load(text, environment).unwrap();
    let warnings: Vec<_> = warnings.iter().map(Warning::to_string).collect();
    assert_eq!(warnings, expected, "{text}");
}

#[track_caller]
fn check_error(text: &str, environment: &[(&str, &str)], expected: &str) {
    assert_eq!(load(text, environment).unwrap_err().to_string(), expected, "{text}");
}

#[test]
fn defaults_are_those_of_the_original() {
    let nothing = |_: &Path| Err(io::Error::from_raw_os_error(2));
    let (config, warnings) = Config::load(None, &[], |_| None, nothing).unwrap();
    assert_eq!(warnings, []);
    assert_eq!((config.listen_address.as_str(), config.listen_port), ("0.0.0.0", 2803));
    assert_eq!(config.rules_files, [PathBuf::from("/etc/falco-talon/rules.yaml")]);
    assert_eq!(config.kubeconfig, None);
    assert_eq!((config.log_format, config.log_level), (Format::Color, Level::Info));
    assert!(config.watch_rules && !config.print_all_events);
    assert_eq!(config.deduplication.window, Duration::from_secs(5));
    assert_eq!(config.own_namespace, None);
}

#[test]
fn the_environment_comes_before_the_file() {
    let file = "listen_port: 1\nlog_format: text\nrules_files: [a.yaml]\n";
    let environment = [("LISTEN_PORT", "2"), ("LOG_FORMAT", ""), ("RULES_FILES", "b.yaml, c.yaml")];
    let config = config(file, &environment);
    assert_eq!(config.listen_port, 2);
    assert_eq!(config.log_format, Format::Text);
    assert_eq!(config.rules_files, [PathBuf::from("b.yaml"), PathBuf::from("c.yaml")]);
}

#[test]
fn the_environment_works_for_keys_that_the_file_lacks() {
    let environment = [
        ("DEDUPLICATION_TIME_WINDOW_SECONDS", "0"),
        ("POLICY_FILE", "p.yaml"),
        ("SERVER_BODY_BYTES_MAX", "2048"),
        ("KUBECONFIG", "/k"),
        // The name of a parent hides nothing.
        ("DEDUPLICATION", "x"),
    ];
    let config = config("", &environment);
    assert_eq!(config.deduplication.window, Duration::ZERO);
    assert_eq!(config.policy_file, Some("p.yaml".into()));
    assert_eq!(config.server.body_bytes_max, 2048);
    assert_eq!(config.kubeconfig, Some("/k".into()));
}

#[test]
fn arguments_come_before_everything() {
    let read = |_: &Path| Ok("rules_files: [a.yaml]".to_owned());
    let environment = |name: &str| (name == "RULES_FILES").then(|| "b.yaml".to_owned());
    let (config, _) = Config::load(Some(Path::new("c.yaml")), &["r.yaml".into()], environment, read).unwrap();
    assert_eq!(config.rules_files, [PathBuf::from("r.yaml")]);
}

#[test]
fn values_are_weakly_typed_and_keys_have_no_case() {
    let config = config(
        "Listen_Port: \"2804\"\nWATCH_RULES: 0\nprint_all_events: 'True'\nrules_files: a.yaml,b.yaml\n\
         Deduplication:\n  Time_Window_Seconds: 7.0\n  Events_Max: 1e+06\nkubeconfig:\n\
         aws: {region: 1.10}\nminio: {use_ssl: on}\n",
        &[],
    );
    assert_eq!(config.listen_port, 2804);
    assert!(!config.watch_rules && config.print_all_events);
    assert_eq!(config.rules_files.len(), 2);
    assert_eq!(config.deduplication.window, Duration::from_secs(7));
    assert_eq!(config.deduplication.events_max, 1_000_000);
    assert_eq!(config.clouds.aws.region.as_deref(), Some("1.10"));
    assert!(config.clouds.minio.use_ssl);
}

#[test]
fn other_formats() {
    let json = "{\n\t\"listen_port\": \"1\",\n\t\"deduplication\": {\"fields\": [\"rule\"]}\n}";
    let toml = "listen_port = 1\n[deduplication]\nfields = [\"rule\"]\n";
    let yaml = "listen_port: 1\ndeduplication: {fields: [rule]}\n";
    for (name, text) in [("c.json", json), ("c.toml", toml), ("c.yml", yaml), ("C.YAML", yaml)] {
        let (config, _) = load_file(name, text, &[]).unwrap();
        assert_eq!((config.listen_port, config.deduplication.fields), (1, vec!["rule".to_owned()]));
    }
}

#[test]
fn unknown_keys_are_reported_with_the_nearest() {
    check_warnings(
        "listen_port: 1\nlisten_adress: x\nserver:\n  body_byte_max: 5000\nnothing_like_it: 1\n",
        &[],
        &[
            "c.yaml:2:1: unknown key 'listen_adress' is ignored; did you mean 'listen_address'?",
            "c.yaml:4:3: unknown key 'server.body_byte_max' is ignored; did you mean 'server.body_bytes_max'?",
            "c.yaml:5:1: unknown key 'nothing_like_it' is ignored",
        ],
    );
    check_warnings(
        "time_window_seconds: 1\nserver:\n  listen_prot: 1\n",
        &[],
        &[
            "c.yaml:1:1: unknown key 'time_window_seconds' is ignored; did you mean 'deduplication.time_window_seconds'?",
            "c.yaml:3:3: unknown key 'server.listen_prot' is ignored; did you mean 'listen_port'?",
        ],
    );
    check_warnings("aws: 1\n", &[], &["c.yaml:1:6: ignored: 'aws' must hold keys"]);
    check_warnings("- a\n", &[], &["c.yaml:1:1: ignored: 'the file' must hold keys"]);
    check_warnings(
        "listen_port: 1\nLISTEN_PORT: 2\n",
        &[],
        &["c.yaml:1:14: ignored: 'listen_port' is written again below"],
    );
}

#[test]
fn keys_without_effect_are_reported_when_they_ask_for_something() {
    check_warnings(
        "aws:\n  region: eu-west-1\n  role_arn: ''\ndeduplication:\n  leader_election: true\ndefault_notifiers: [slack]\n\
         notifiers:\n  slack:\n    webhook_url: https://x\n  smtp:\n    host_port: ''\n    tls: false\n",
        &[("AWS_REGION", "x")],
        &["c.yaml:5:20: 'deduplication.leader_election' has no effect in this version"],
    );
    check_warnings("aws:\ngcp: {}\nminio: {use_ssl: true, endpoint: ''}\nnotifiers:\n", &[], &[]);
}

#[test]
fn clouds_are_reached_as_written() {
    let clouds = config(
        "aws: {access_key: AKID, secret_key: s3cret, region: eu-west-1, role_arn: 'arn:r', external_id: e}\n\
         gcp: {credentials_path: /key.json}\nminio: {endpoint: 'minio.acme.example:9000', access_key: a, secret_key: t0p, use_ssl: true}\n",
        &[],
    )
    .clouds;
    let keys = clouds.aws.keys.as_ref().unwrap();
    assert_eq!((keys.access_key.as_str(), keys.secret_key.expose()), ("AKID", "s3cret"));
    assert_eq!(clouds.aws.region.as_deref(), Some("eu-west-1"));
    assert_eq!(clouds.aws.role.as_ref().unwrap().external_id.as_deref(), Some("e"));
    assert_eq!(clouds.google.credentials_path, Some("/key.json".into()));
    assert_eq!((clouds.minio.endpoint.as_str(), clouds.minio.use_ssl), ("minio.acme.example:9000", true));
    let shown = format!("{clouds:?}");
    assert!(!shown.contains("s3cret") && !shown.contains("t0p"), "{shown}");
}

#[test]
fn variables_of_the_clouds_own_tools_count_where_the_file_has_the_key() {
    let environment = [
        ("AWS_ACCESS_KEY", "AKID"),
        ("AWS_SECRET_KEY", "s3cret"),
        ("AWS_ROLE_ARN", "arn:of-the-pod"),
        ("MINIO_ENDPOINT", "minio:9000"),
    ];
    assert_eq!(config("", &environment).clouds, clouds::Clouds::default());
    let clouds = config("aws: {access_key: '', secret_key: }\nminio: {endpoint: other:1}\n", &environment).clouds;
    assert_eq!(clouds.aws.keys.unwrap().access_key, "AKID");
    assert_eq!((clouds.aws.role, clouds.minio.endpoint.as_str()), (None, "minio:9000"));
}

#[test]
fn variables_that_no_key_has_are_heeded() {
    let clouds = config(
        "",
        &[
            ("AWS_ENDPOINT_URL", "http://a"),
            ("AWS_ENDPOINT_URL_S3", "http://b"),
            ("GOOGLE_APPLICATION_CREDENTIALS", "/k.json"),
            ("CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDFUNCTIONS", "http://c"),
            ("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://d"),
            ("AWS_EC2_METADATA_DISABLED", "True"),
        ],
    )
    .clouds;
    assert_eq!((clouds.aws.metadata_endpoint.as_deref(), clouds.aws.metadata_disabled), (Some("http://d"), true));
    assert_eq!(
        (clouds.aws.endpoint.as_deref(), clouds.aws.s3_endpoint.as_deref()),
        (Some("http://a"), Some("http://b"))
    );
    assert_eq!((clouds.aws.lambda_endpoint, clouds.google.credentials_path), (None, Some("/k.json".into())));
    assert_eq!(clouds.google.functions_endpoint.as_deref(), Some("http://c"));
}

#[test]
fn half_of_the_credentials_is_an_error() {
    check_error(
        "aws: {access_key: AKID, external_id: e}\nminio: {endpoint: 'http://minio:9000/'}\n",
        &[],
        "error unmarshalling config file: 'c.yaml:1:19: 'aws.access_key' needs 'aws.secret_key'; \
         c.yaml:1:38: 'aws.external_id' needs 'aws.role_arn'; \
         c.yaml:2:19: 'minio.endpoint' is host:port, without a scheme, a user or a path'",
    );
}

#[test]
fn an_unknown_log_format_is_json() {
    let (config, _) = load("log_format: xml", &[]).unwrap();
    assert_eq!(config.log_format, Format::Json);
    check_warnings(
        "log_format: xml",
        &[],
        &["c.yaml:1:13: 'log_format' must be color, text or json, got 'xml'; using json"],
    );
    assert_eq!(config_format("log_format: JSON", &[]), Format::Json);
    assert_eq!(config_format("", &[("NO_COLOR", "1")]), Format::Text);
    assert_eq!(config_format("log_format: json", &[("NO_COLOR", "1")]), Format::Json);
    assert_eq!(config_format("", &[("NO_COLOR", "")]), Format::Color);
}

fn config_format(text: &str, environment: &[(&str, &str)]) -> Format {
    config(text, environment).log_format
}

#[test]
fn wrong_values_are_reported_all_at_once() {
    check_error(
        "listen_port: abc\nwatch_rules: maybe\n",
        &[("DEDUPLICATION_TIME_WINDOW_SECONDS", "-1"), ("LOG_LEVEL", "loud")],
        "error unmarshalling config file: 'c.yaml:1:14: 'listen_port' cannot parse value as 'int': 'abc' is not a whole number; \
         environment variable LOG_LEVEL: 'log_level' is 'loud': it must be debug, info, warn or error; \
         c.yaml:2:14: 'watch_rules' cannot parse value as 'bool': 'maybe' is neither true nor false; \
         environment variable DEDUPLICATION_TIME_WINDOW_SECONDS: 'deduplication.time_window_seconds' must be from 0 to 86400, got -1'",
    );
    check_error(
        "metrics: {compat: seed}",
        &[],
        "error unmarshalling config file: 'c.yaml:1:19: 'metrics.compat' is 'seed': it must be both, singular or plural'",
    );
    check_error(
        "listen_port: 65536",
        &[],
        "error unmarshalling config file: 'c.yaml:1:14: 'listen_port' must be from 0 to 65535, got 65536'",
    );
    check_error(
        "kubeconfig: {a: b}\nrules_files: [{a: b}]\n",
        &[],
        "error unmarshalling config file: 'c.yaml:2:14: 'rules_files' expected type 'string', got a list of lists or maps; \
         c.yaml:1:13: 'kubeconfig' expected type 'string', got a map'",
    );
    check_error(
        "rules_files: []",
        &[],
        "error unmarshalling config file: 'c.yaml:1:14: 'rules_files' must name one file at least'",
    );
    check_error(
        "retry: {backoff_ms_min: 2, backoff_ms_max: 1}",
        &[],
        "error unmarshalling config file: 'c.yaml:1:25: 'retry.backoff_ms_min' must not be more than 'retry.backoff_ms_max''",
    );
}

#[test]
fn a_file_that_can_not_be_read_is_an_error() {
    let missing = Config::load(Some(Path::new("x.yaml")), &[], |_| None, |_| Err(io::Error::from_raw_os_error(2)));
    assert_eq!(
        missing.unwrap_err().to_string(),
        "error when reading config file: 'open x.yaml: no such file or directory'"
    );
    assert_eq!(
        load_file("conf", "", &[]).unwrap_err().to_string(),
        "error when reading config file: 'Unsupported Config Type \"\": 'conf' must end in .yaml, .yml, .json or .toml'"
    );
    check_error("a: 1\nb: [1\n", &[], "error when reading config file: 'c.yaml:2:4: unclosed bracket '[''");
    check_error(
        "a: 1\na: 2\n---\nb: 1\n",
        &[],
        "error when reading config file: 'c.yaml:2:1: the key 'a' is there twice, first at c.yaml:1:1; \
         c.yaml:4:1: a second document begins here, and this file can hold one only'",
    );
    assert_eq!(
        load_file("c.toml", "a = 1\nb = [\n", &[]).unwrap_err().to_string(),
        "error when reading config file: 'c.toml:2:6: unclosed array, expected `]`'"
    );
}

#[test]
fn finds_its_own_namespace() {
    let mounted = |path: &Path| match path.ends_with("serviceaccount/namespace") {
        true => Ok("falco\n".to_owned()),
        false => Err(io::Error::from_raw_os_error(2)),
    };
    let (config, _) = Config::load(None, &[], |_| None, mounted).unwrap();
    assert_eq!(config.own_namespace.as_deref(), Some("falco"));
    let given = |name: &str| (name == "NAMESPACE").then(|| "security".to_owned());
    let (config, _) = Config::load(None, &[], given, mounted).unwrap();
    assert_eq!(config.own_namespace.as_deref(), Some("security"));
}

#[test]
fn listen_addresses() {
    let address = |text: &str| config(&format!("listen_address: '{text}'"), &[]).listen_address;
    assert_eq!(address("127.0.0.1"), "127.0.0.1");
    assert_eq!(address("[::1]"), "::1");
    assert_eq!(address(""), "0.0.0.0");
}
