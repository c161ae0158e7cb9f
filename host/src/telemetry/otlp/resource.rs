//! Who sends it: this program, in this process.

use opentelemetry::KeyValue;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::resource::EnvResourceDetector;

/// What every trace and every metric says of the program; `OTEL_RESOURCE_ATTRIBUTES` and `OTEL_SERVICE_NAME` come first.
pub(super) fn resource() -> Resource {
    let hostname = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let known = [
        ("service.name", "falco-talon"),
        ("service.version", env!("CARGO_PKG_VERSION")),
        ("service.instance.id", hostname.trim()),
    ];
    let known = known.into_iter().filter(|(_, value)| !value.is_empty());
    let builder = Resource::builder_empty()
        .with_attributes(known.map(|(key, value)| KeyValue::new(key, value.to_owned())))
        .with_detector(Box::new(EnvResourceDetector::new()));
    match std::env::var("OTEL_SERVICE_NAME") {
        Ok(name) if !name.is_empty() => builder.with_service_name(name).build(),
        _ => builder.build(),
    }
}
