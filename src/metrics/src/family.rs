//! Metrics as values, and their text.

use std::collections::BTreeMap;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet, prometheus_text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

/// All samples of one name.
#[derive(Clone, Debug, PartialEq)]
pub struct Family {
    /// As it is queried, without the `_total` of counters.
    pub name: String,
    /// For people, without a full stop.
    pub help: String,
    /// What its values are.
    pub kind: Kind,
    /// In the order of their labels.
    pub samples: Vec<Sample>,
}

/// What values are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grow.
    Counter,
    /// Go up and down.
    Gauge,
    /// How many were below a bound.
    Histogram,
}

/// Name and value of each label.
pub type Labels = Vec<(&'static str, String)>;

/// A value with its labels.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// What of.
    pub labels: Labels,
    /// The value.
    pub value: Value,
}

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Of counters.
    Whole(u64),
    /// Of gauges.
    Real(f64),
    /// Of histograms.
    Buckets {
        /// Of all that was seen.
        sum: f64,
        /// How many.
        count: u64,
        /// Upper bound, and how many above the one before.
        buckets: Vec<(f64, u64)>,
    },
}

/// Families under construction: a sample that is there already is left out, since a scrape with two of them is none at all.
#[derive(Debug, Default)]
pub(crate) struct Families(Vec<(Family, BTreeMap<Labels, Value>)>);

impl Families {
    /// The family of that name, made if it is not there: one without samples is told, too, by its name and meaning.
    pub(crate) fn declare(&mut self, name: &str, kind: Kind, help: &str) -> usize {
        if let Some(place) = self.0.iter().position(|(family, _)| family.name == name) {
            return place;
        }
        let family = Family { name: name.to_owned(), help: help.to_owned(), kind, samples: Vec::new() };
        self.0.push((family, BTreeMap::new()));
        self.0.len() - 1
    }

    pub(crate) fn add(&mut self, place: usize, labels: Labels, value: Value) {
        if let Some((_, samples)) = self.0.get_mut(place) {
            samples.entry(labels).or_insert(value);
        }
    }

    pub(crate) fn gauge(&mut self, name: &str, help: &str, labels: Labels, value: f64) {
        let place = self.declare(name, Kind::Gauge, help);
        self.add(place, labels, Value::Real(value));
    }

    pub(crate) fn done(self) -> Vec<Family> {
        let filled = |(family, samples): (Family, BTreeMap<_, _>)| {
            let samples = samples.into_iter().map(|(labels, value)| Sample { labels, value }).collect();
            Family { samples, ..family }
        };
        self.0.into_iter().map(filled).collect()
    }
}

/// The text of a scrape, in Prometheus's format 0.0.4.
pub fn text(families: Vec<Family>) -> Result<String, std::fmt::Error> {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Told(families)));
    let mut text = String::new();
    prometheus_text::encode(&mut text, &registry)?;
    Ok(text)
}

#[derive(Debug)]
struct Told(Vec<Family>);

impl Collector for Told {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        for family in &self.0 {
            let kind = match family.kind {
                Kind::Counter => MetricType::Counter,
                Kind::Gauge => MetricType::Gauge,
                Kind::Histogram => MetricType::Histogram,
            };
            let mut metric = encoder.encode_descriptor(&family.name, &family.help, None, kind)?;
            for sample in &family.samples {
                if sample.labels.is_empty() {
                    value(&mut metric, &sample.value)?;
                } else {
                    value(&mut metric.encode_family(&sample.labels)?, &sample.value)?;
                }
            }
        }
        Ok(())
    }
}

fn value(metric: &mut MetricEncoder<'_>, value: &Value) -> Result<(), std::fmt::Error> {
    match value {
        Value::Whole(number) => metric.encode_counter::<NoLabelSet, u64, f64>(number, None),
        Value::Real(number) => metric.encode_gauge(number),
        Value::Buckets { sum, count, buckets } => {
            metric.encode_histogram::<NoLabelSet>(*sum, *count, buckets, None)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_that_is_there_already_is_left_out() {
        let mut families = Families::default();
        families.gauge("a", "Help", vec![("pod", "x".to_owned())], 1.0);
        families.gauge("a", "Help", vec![("pod", "x".to_owned())], 2.0);
        let told = text(families.done()).unwrap();
        assert_eq!(
            told.lines().filter(|line| line.starts_with("a{")).collect::<Vec<_>>(),
            [r#"a{pod="x"} 1.0"#]
        );
    }

    #[test]
    fn what_a_pod_calls_itself_cannot_break_a_line() {
        let mut families = Families::default();
        families.gauge("a", "Help", vec![("pod", "x\"} 1\n\\".to_owned())], 1.0);
        let told = text(families.done()).unwrap();
        assert!(told.contains(r#"a{pod="x\"} 1\n\\"} 1.0"#), "{told}");
        assert_eq!(told.lines().count(), 3, "{told}");
    }
}
