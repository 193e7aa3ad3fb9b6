//! What addresses cost the API server: the benchmark's crowd, small, and counted.

use cluster::addresses::{Figures, Manner, Side, measure};

/// An API write for every address would be sixteen for a pod that comes and goes; whereabouts has over sixty.
const MOST: f64 = 3.0;
/// Where the machine is so busy that answers are late, what was asked is asked again, and counted again.
const ATTEMPTS: usize = 3;

#[test]
fn forty_pods_of_eight_rails_use_every_address_with_few_writes() {
    let manner = Manner { pods_at_once: true, rails_at_once: true };
    let mut tried = Vec::new();
    for _ in 0..ATTEMPTS {
        let figures = measure(Side::Railcni, 5, 40, manner).unwrap();
        assert_eq!((figures.pods, figures.missing, figures.doubled), (80, 0, 0), "{figures:?}");
        // Nothing at all would say that nothing was counted.
        assert!(figures.cost.writes > 0, "{figures:?}");
        let writes = writes(&figures);
        if writes <= MOST {
            return;
        }
        tried.push(writes);
    }
    panic!("writes for a pod, attempt by attempt: {tried:?}");
}

#[expect(clippy::cast_precision_loss, reason = "some hundreds")]
fn writes(figures: &Figures) -> f64 {
    figures.cost.writes as f64 / figures.pods as f64
}
