//! What addresses cost the API server: the benchmark's crowd, small, and counted.

use cluster::addresses::{Figures, Manner, Side, measure};

/// An API write or more for every address would be sixteen for a pod that comes and goes; whereabouts has over sixty.
const MOST: f64 = 6.0;

#[test]
fn eighty_pods_on_ten_nodes_use_every_address_with_few_writes() {
    let manner = Manner { pods_at_once: true, rails_at_once: true };
    let figures = measure(Side::Railcni, 10, 80, manner).unwrap();
    assert_eq!((figures.pods, figures.missing, figures.doubled), (160, 0, 0), "{figures:?}");
    let writes = writes(&figures);
    // Nothing at all would say that nothing was counted.
    assert!(writes > 0.0 && writes <= MOST, "{writes} writes for a pod: {figures:?}");
}

#[expect(clippy::cast_precision_loss, reason = "some hundreds")]
fn writes(figures: &Figures) -> f64 {
    figures.cost.writes as f64 / figures.pods as f64
}
