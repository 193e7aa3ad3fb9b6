//! How long something took, many times over.

use crate::family::Value;

/// In seconds, by upper bounds; what is above them all is in the count only.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Histogram {
    bounds: &'static [f64],
    /// Above the bound before.
    buckets: Vec<u64>,
    sum: f64,
    count: u64,
}

impl Histogram {
    pub(crate) fn of(bounds: &'static [f64]) -> Self {
        Self { bounds, buckets: vec![0; bounds.len()], sum: 0.0, count: 0 }
    }

    pub(crate) fn add(&mut self, seconds: f64) {
        self.sum += seconds;
        self.count += 1;
        if let Some(place) = self.bounds.iter().position(|bound| seconds <= *bound) {
            self.buckets[place] += 1;
        }
    }

    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    pub(crate) fn value(&self) -> Value {
        let buckets = self.bounds.iter().copied().zip(self.buckets.iter().copied()).collect();
        Value::Buckets { sum: self.sum, count: self.count, buckets }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_in_the_bucket_of_its_bound() {
        let mut times = Histogram::of(&[0.01, 0.05]);
        for seconds in [0.01, 0.011, 60.0] {
            times.add(seconds);
        }
        assert_eq!(times.buckets, [1, 1]);
        assert_eq!((times.count(), times.sum), (3, 60.021));
    }
}
