//! Under which names the counters are shown that the original has, too.
//!
//! Its announcement has them as `event_total`, and its dashboard asks for `events_total`. Each is counted once, and
//! shown under one name or both, with the scope that the original has there.

use std::str::FromStr;

use prometheus::proto::{LabelPair, MetricFamily};

use super::build::PREFIX;

/// Under which names the original's counters are shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Compat {
    /// All of them.
    #[default]
    Both,
    /// Those of its announcement.
    Singular,
    /// Those of its later versions.
    Plural,
}

/// A value of `metrics.compat` that is none.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("it must be both, singular or plural")]
pub struct UnknownCompat;

/// The original's counters, in the announcement and later.
const NAMES: [(&str, &str); 5] = [
    ("action_total", "actions_total"),
    ("event_total", "events_total"),
    ("match_total", "matches_total"),
    ("notification_total", "notifications_total"),
    ("output_total", "outputs_total"),
];

const SCOPE: &[(&str, &str)] = &[("otel_scope_name", "github.com/Falco-Talon/falco-talon")];
const LATER_SCOPE: &[(&str, &str)] =
    &[("otel_scope_name", "github.com/falcosecurity/falco-talon"), ("otel_scope_schema_url", "")];

impl FromStr for Compat {
    type Err = UnknownCompat;

    fn from_str(text: &str) -> Result<Self, UnknownCompat> {
        match text.to_ascii_lowercase().as_str() {
            "both" => Ok(Self::Both),
            "singular" => Ok(Self::Singular),
            "plural" => Ok(Self::Plural),
            _ => Err(UnknownCompat),
        }
    }
}

impl Compat {
    /// The families as they are shown, in the order of their names.
    pub(super) fn named(self, families: Vec<MetricFamily>, version: &str) -> Vec<MetricFamily> {
        let mut named = Vec::with_capacity(families.len() + NAMES.len());
        for family in families {
            let name = family.name().strip_prefix(PREFIX);
            let Some((singular, plural)) = NAMES.iter().find(|(singular, _)| name == Some(*singular)) else {
                named.push(family);
                continue;
            };
            if self != Self::Plural {
                named.push(of_original(family.clone(), singular, SCOPE, version));
            }
            if self != Self::Singular {
                named.push(of_original(family, plural, LATER_SCOPE, version));
            }
        }
        named.sort_by(|one, other| one.name().cmp(other.name()));
        named
    }
}

fn of_original(mut family: MetricFamily, name: &str, scope: &[(&str, &str)], version: &str) -> MetricFamily {
    family.set_name(format!("{PREFIX}{name}"));
    for metric in family.mut_metric() {
        let mut labels = metric.take_label();
        labels.extend(scope.iter().chain(&[("otel_scope_version", version)]).map(|(name, value)| label(name, value)));
        labels.sort_by(|one, other| one.name().cmp(other.name()));
        metric.set_label(labels);
    }
    family
}

fn label(name: &str, value: &str) -> LabelPair {
    let mut label = LabelPair::default();
    label.set_name(name.to_owned());
    label.set_value(value.to_owned());
    label
}
