//! What holds of all keys.

use rules::quantity;

use super::*;

#[test]
fn environment_names() {
    let name = |key| find(key).unwrap().environment();
    assert_eq!(name("listen_port"), "LISTEN_PORT");
    assert_eq!(name("deduplication.time_window_seconds"), "DEDUPLICATION_TIME_WINDOW_SECONDS");
}

#[test]
fn names_are_lower_case_and_written_once() {
    for (at, key) in KEYS.iter().enumerate() {
        assert_eq!(key.name, key.name.to_lowercase());
        assert!(KEYS[..at].iter().all(|other| other.name != key.name), "{}", key.name);
    }
}

#[test]
fn defaults_are_within_bounds() {
    for key in KEYS {
        match key.kind {
            Kind::Integer { min, max } => {
                let default: u64 = key.default.parse().unwrap();
                assert!((min..=max).contains(&default), "{}", key.name);
            }
            Kind::Duration { min, max } => {
                assert!((min..=max).contains(&quantity::duration(key.default).unwrap()), "{}", key.name);
            }
            Kind::Size { min, max } => {
                assert!((min..=max).contains(&quantity::size(key.default).unwrap()), "{}", key.name);
            }
            Kind::Switch => assert!(matches!(key.default, "true" | "false"), "{}", key.name),
            Kind::Text | Kind::Secret | Kind::Source | Kind::Headers | Kind::List | Kind::Inert(_) => {}
        }
    }
}
