//! What bounds how long and how much is kept and tried: times and sizes with units.

use super::*;

#[test]
fn what_is_not_forgotten() {
    let days = |days: u64| Duration::from_hours(days * 24);
    let defaults = config("", &[]);
    assert_eq!((defaults.data_dir, defaults.queue_events_max), (None, 100_000));
    assert_eq!((defaults.queue_bytes_max, defaults.queue_disk_bytes_max), (128 << 20, 1 << 30));
    assert_eq!(defaults.max_age, Some(Duration::from_hours(6)));
    assert_eq!((defaults.retry.attempts_max, defaults.retry.within), (100, Duration::from_secs(600)));
    assert_eq!(defaults.deliveries_within, days(1));
    assert_eq!(defaults.history, History { keep: days(7), bytes_max: 1 << 30, redact: Vec::new() });

    let written = config(
        "data_dir: /var/lib/falco-talon\nqueue: {disk_max: 1e+09, max_age: 0}\nretry: {within: 1m30s}\n\
         deliveries: {within: ' 2d '}\nhistory: {keep: [64Mi], redact: [proc.cmdline]}\n",
        &[],
    );
    assert_eq!(written.data_dir, Some("/var/lib/falco-talon".into()));
    assert_eq!((written.queue_disk_bytes_max, written.max_age), (1_000_000_000, None));
    assert_eq!((written.retry.within, written.deliveries_within), (Duration::from_secs(90), days(2)));
    let redact = vec!["proc.cmdline".to_owned()];
    assert_eq!(written.history, History { keep: days(7), bytes_max: 64 << 20, redact });

    let environment = [
        ("DATA_DIR", "/data"),
        ("QUEUE_DISK_MAX", "2Ti"),
        ("QUEUE_MAX_AGE", "250ms"),
        ("RETRY_WITHIN", "1h"),
        ("DELIVERIES_WITHIN", "30d"),
        ("HISTORY_KEEP", "1d, 2Gi"),
        ("HISTORY_REDACT", "proc.cmdline,proc.env"),
    ];
    let given = config("data_dir: /file\nqueue: {disk_max: 1Gi}\nretry: {within: 1s}\n", &environment);
    assert_eq!(given.data_dir, Some("/data".into()));
    assert_eq!((given.queue_disk_bytes_max, given.max_age), (2 << 40, Some(Duration::from_millis(250))));
    assert_eq!((given.retry.within, given.deliveries_within), (Duration::from_hours(1), days(30)));
    let redact = vec!["proc.cmdline".to_owned(), "proc.env".to_owned()];
    assert_eq!(given.history, History { keep: days(1), bytes_max: 2 << 30, redact });
}

#[test]
fn times_and_sizes_have_units_and_bounds() {
    check_error(
        "queue: {disk_max: 1GiB, max_age: 6}\nretry:\n  within: -10m\nhistory:\n  keep: [7d, 1d]\n",
        &[("DELIVERIES_WITHIN", "31d")],
        "error unmarshalling config file: 'c.yaml:1:19: 'queue.disk_max' must be a size from 1Mi to 16Ti, such as 64Mi, got '1GiB'; \
         c.yaml:1:34: 'queue.max_age' must be a time from 0s to 365d, such as 30s or 10m, got '6'; \
         c.yaml:3:11: 'retry.within' must be a time from 1s to 7d, such as 30s or 10m, got '-10m'; \
         environment variable DELIVERIES_WITHIN: 'deliveries.within' must be a time from 1s to 30d, such as 30s or 10m, got '31d'; \
         c.yaml:5:9: 'history.keep' must be a time to 3650d, a size to 16Ti, or one of each, such as 7d,1Gi; it has '1d' beside another of its kind'",
    );
    check_error(
        "queue: {disk_max: 1023Ki, max_age: {a: b}}\ndata_dir: [a]\n",
        &[],
        "error unmarshalling config file: 'c.yaml:2:11: 'data_dir' expected type 'string', got a list; \
         c.yaml:1:19: 'queue.disk_max' must be a size from 1Mi to 16Ti, such as 64Mi, got '1023Ki'; \
         c.yaml:1:36: 'queue.max_age' expected type 'string', got a map'",
    );
    check_warnings(
        "dat_dir: /d\nqueue: {max_aeg: 1h}\nhistory: {keeps: 1d}\n",
        &[],
        &[
            "c.yaml:1:1: unknown key 'dat_dir' is ignored; did you mean 'data_dir'?",
            "c.yaml:2:9: unknown key 'queue.max_aeg' is ignored; did you mean 'queue.max_age'?",
            "c.yaml:3:11: unknown key 'history.keeps' is ignored; did you mean 'history.keep'?",
        ],
    );
}

#[test]
fn the_audit_record_is_bounded_and_can_be_required() {
    let days = |days: u64| Duration::from_hours(days * 24);
    let kept = |config: Config| (config.audit.bytes_max, config.audit.keep, config.audit.keep_bytes_max);
    assert_eq!(kept(config("", &[])), (64 << 20, days(90), 1 << 30));
    assert_eq!(kept(config("audit: {bytes_max: 0, keep: [1d, 8Mi]}\n", &[])), (0, days(1), 8 << 20));
    let environment = [("AUDIT_REQUIRED", "true"), ("AUDIT_FILE", "/var/log/audit.log")];
    assert!(config("", &environment).audit.required);
    assert!(config("data_dir: /d\naudit: {required: true}\n", &[]).audit.required);
    for file in ["''", "log", "none"] {
        check_error(
            &format!("audit_file: {file}\naudit: {{required: true}}\n"),
            &[],
            "error unmarshalling config file: 'c.yaml:2:19: 'audit.required' needs a file to be written: set 'data_dir', or name \
             one by 'audit_file''",
        );
    }
}
