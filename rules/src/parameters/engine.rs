//! The validator's settings, and how much of a schema it is given.
//!
//! A component of a stranger brings its schema: nothing that it refers to is fetched, and its patterns can't spin.

use jsonschema::{PatternOptions, ValidationOptions};

/// Text of a schema: more than tools make of a few hundred parameters with their descriptions.
pub(super) const SCHEMA_BYTES_MAX: usize = 256 << 10;
/// Nesting of a schema, as JSON. What reads and compiles it recurses.
pub(super) const DEPTH_MAX: usize = 64;
/// Schemas within a schema.
pub(super) const SUBSCHEMAS_MAX: usize = 2_000;
/// Patterns within a schema. Each is compiled.
pub(super) const PATTERNS_MAX: usize = 64;
/// A pattern once it is compiled; `(a{500}){500}` is a short text and takes megabytes. Matching takes time in
/// proportion to it.
pub(super) const PATTERN_BYTES_MAX: usize = 512 << 10;

/// How schemas are compiled, wherever one is.
pub(super) fn options<'i>() -> ValidationOptions<'i> {
    jsonschema::options()
        .with_pattern_options(PatternOptions::regex().size_limit(PATTERN_BYTES_MAX).dfa_size_limit(PATTERN_BYTES_MAX))
        .should_validate_formats(true)
        .with_format("cidr", |text: &str| text.parse::<ipnet::IpNet>().is_ok())
        .with_format("ip", |text: &str| text.parse::<std::net::IpAddr>().is_ok())
        .offline()
}
