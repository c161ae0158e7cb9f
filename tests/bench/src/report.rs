//! Medians and percentiles, and the lines of the table.

use std::time::Duration;

use tokio::time::Instant;

/// The middle of what was measured; nothing measured is zero.
pub(crate) fn median(values: &[f64]) -> f64 {
    percentile(values, 50.0)
}

/// What `percent` of the values are not above.
pub(crate) fn percentile(values: &[f64], percent: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().saturating_sub(1);
    let index = (percent / 100.0 * last as f64).round() as usize;
    sorted.get(index).copied().unwrap_or_default()
}

/// The median of the ratios of each round, which noise that lasts longer than a round leaves alone.
pub(crate) fn ratio(ours: &[f64], theirs: &[f64]) -> f64 {
    let ratios: Vec<f64> = ours.iter().zip(theirs).map(|(ours, theirs)| ours / theirs).collect();
    median(&ratios)
}

/// One line of the table: what, how much, and what was aimed at.
pub(crate) fn row(what: &str, value: f64, unit: &str, aim: &str) {
    let digits = if value >= 100.0 { 0 } else { 2 };
    println!("{what:<62} {value:>12.digits$} {unit:<9} {aim}");
}

/// A heading between lines.
pub(crate) fn heading(text: &str) {
    println!("\n{text}");
}

/// How busy the machine is, without which figures can't be compared.
pub(crate) fn surroundings() {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    println!("# {cores} cores, load average {}", load.trim());
}

/// Nanoseconds per call of `work`, over enough calls that the clock does not matter.
pub(crate) fn time(mut work: impl FnMut()) -> f64 {
    let began = Instant::now();
    let mut calls = 0;
    while began.elapsed() < Duration::from_millis(20) {
        for _ in 0..16 {
            work();
        }
        calls += 16;
    }
    began.elapsed().as_nanos() as f64 / f64::from(calls)
}
