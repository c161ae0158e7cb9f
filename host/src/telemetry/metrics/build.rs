//! How metrics are made and registered.

use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
};

use super::series::Series;

pub(super) const PREFIX: &str = "falcosecurity_falco_talon_";

/// From a tenth of a millisecond, which is what a call of an actionner costs beside what it asks for, to a slow capture
/// or drain.
const SECONDS: [f64; 18] =
    [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];

/// Makes and registers metrics, all under the same prefix.
pub(super) struct Builder<'a> {
    pub(super) registry: &'a Registry,
    pub(super) series_max: usize,
}

impl Builder<'_> {
    pub(super) fn series(
        &self,
        name: &str,
        help: &str,
        labels: &[&'static str],
        open: &[&'static str],
    ) -> prometheus::Result<Series> {
        let counters = self.counters(name, help, labels)?;
        Ok(Series::new(counters, labels, open, self.series_max))
    }

    pub(super) fn counter(&self, name: &str, help: &str) -> prometheus::Result<IntCounter> {
        let counter = IntCounter::new(format!("{PREFIX}{name}"), help)?;
        self.registry.register(Box::new(counter.clone()))?;
        Ok(counter)
    }

    pub(super) fn counters(&self, name: &str, help: &str, labels: &[&str]) -> prometheus::Result<IntCounterVec> {
        let counters = IntCounterVec::new(Opts::new(format!("{PREFIX}{name}"), help), labels)?;
        self.registry.register(Box::new(counters.clone()))?;
        Ok(counters)
    }

    pub(super) fn gauge(&self, name: &str, help: &str) -> prometheus::Result<IntGauge> {
        let gauge = IntGauge::new(format!("{PREFIX}{name}"), help)?;
        self.registry.register(Box::new(gauge.clone()))?;
        Ok(gauge)
    }

    pub(super) fn gauges(&self, name: &str, help: &str, label: &str) -> prometheus::Result<IntGaugeVec> {
        let gauges = IntGaugeVec::new(Opts::new(format!("{PREFIX}{name}"), help), &[label])?;
        self.registry.register(Box::new(gauges.clone()))?;
        Ok(gauges)
    }

    pub(super) fn histogram(&self, name: &str, help: &str) -> prometheus::Result<Histogram> {
        let options = HistogramOpts::new(format!("{PREFIX}{name}"), help).buckets(SECONDS.into());
        let histogram = Histogram::with_opts(options)?;
        self.registry.register(Box::new(histogram.clone()))?;
        Ok(histogram)
    }

    pub(super) fn histograms(&self, name: &str, help: &str, label: &str) -> prometheus::Result<HistogramVec> {
        let options = HistogramOpts::new(format!("{PREFIX}{name}"), help).buckets(SECONDS.into());
        let histograms = HistogramVec::new(options, &[label])?;
        self.registry.register(Box::new(histograms.clone()))?;
        Ok(histograms)
    }
}
