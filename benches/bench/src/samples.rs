//! Repeated measurements of two sides, taken in turns so that a busy moment of the machine hits both.

use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};

/// What came out of one side: seconds, bytes or a count.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Samples {
    sorted: Vec<f64>,
}

impl Samples {
    pub(crate) fn new(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        Self { sorted: values }
    }

    pub(crate) fn one(value: f64) -> Self {
        Self { sorted: vec![value] }
    }

    pub(crate) fn of(values: &[Duration]) -> Self {
        Self::new(values.iter().map(Duration::as_secs_f64).collect())
    }

    pub(crate) fn median(&self) -> f64 {
        self.at(50)
    }

    pub(crate) fn min(&self) -> f64 {
        self.at(0)
    }

    /// Nine of ten are not above it.
    pub(crate) fn high(&self) -> f64 {
        self.at(90)
    }

    pub(crate) fn len(&self) -> usize {
        self.sorted.len()
    }

    pub(crate) fn json(&self) -> Value {
        json!({ "median": self.median(), "min": self.min(), "p90": self.high(), "max": self.at(100), "samples": self.len() })
    }

    /// Between two samples in proportion.
    fn at(&self, percent: usize) -> f64 {
        let hundredths = (self.len() - 1) * percent;
        let (below, above) = (self.sorted[hundredths / 100], self.sorted[hundredths.div_ceil(100)]);
        let part = u32::try_from(hundredths % 100).map_or(0.0, f64::from) / 100.0;
        below + (above - below) * part
    }
}

/// Runs all sides `rounds` times in turns, now forwards, now backwards; one more round before is not counted.
pub(crate) fn in_turns<T, const N: usize>(
    rounds: usize,
    sides: &mut [&mut dyn FnMut() -> Result<T>; N],
) -> Result<[Vec<T>; N]> {
    let mut times: [Vec<T>; N] = std::array::from_fn(|_| Vec::new());
    for round in 0..=rounds {
        for turn in 0..N {
            let side = if round % 2 == 0 { turn } else { N - 1 - turn };
            times[side].push(sides[side]()?);
        }
    }
    for times in &mut times {
        times.remove(0);
    }
    Ok(times)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle_and_nine_of_ten_are_below_the_high_one() {
        let samples = Samples::new((1..=11).rev().map(f64::from).collect());
        assert_eq!(
            samples.json(),
            json!({ "median": 6.0, "min": 1.0, "p90": 10.0, "max": 11.0, "samples": 11 })
        );
        assert_eq!(Samples::new(vec![3.0, 1.0]).json()["median"], 2.0);
        let one = json!({ "median": 7.0, "min": 7.0, "p90": 7.0, "max": 7.0, "samples": 1 });
        assert_eq!(Samples::one(7.0).json(), one);
    }

    #[test]
    fn turns_alternate_and_the_first_round_is_left_out() {
        let order = std::cell::RefCell::new(String::new());
        let note = |side: char| {
            order.borrow_mut().push(side);
            Ok(order.borrow().len())
        };
        let [a, b] = in_turns(2, &mut [&mut || note('a'), &mut || note('b')]).unwrap();
        assert_eq!(order.into_inner(), "abbaab");
        assert_eq!((a, b), (vec![4, 5], vec![3, 6]));
    }
}
