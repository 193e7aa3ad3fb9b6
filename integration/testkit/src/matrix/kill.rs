//! SIGKILL at every call that changes something.

use std::os::unix::process::ExitStatusExt;

use super::{Matrix, Point, with_each};
use crate::fault::Scope;
use crate::figures::figure;
use crate::plugin::Plugin;
use serde_json::Value;

/// What comes after a killed process.
#[derive(Clone, Copy, Debug)]
enum WayOut {
    /// The runtime's DEL.
    Del,
    /// No DEL: the attachment is unknown to the runtime, and its GC finds it.
    Gc,
    /// The same attachment is tried again, and taken away.
    Add,
}

const WAYS_OUT: [WayOut; 3] = [WayOut::Del, WayOut::Gc, WayOut::Add];

impl Matrix<'_> {
    /// Kills ADD and DEL at their points. Each point has one of the ways out in turn; in a full run, all of them.
    #[track_caller]
    pub fn kill(&self, verb: &str) {
        let points: Vec<_> = self.points(verb).into_iter().filter(Point::is_change).collect();
        let of = points.len() * WAYS_OUT.len();
        let runs = with_each(self.share(points, usize::MAX), |_| &WAYS_OUT[..]);
        let mut killed = 0;
        for (point, way) in &runs {
            killed += usize::from(match verb {
                "ADD" => self.kill_add(point, *way),
                _ => self.kill_del(point, *way),
            });
        }
        assert!(
            killed * 10 > runs.len() * 9,
            "{}: only {killed} of {} points were met",
            self.name,
            runs.len()
        );
        figure("points killed", &format!("{} {verb}", self.name), killed, of);
    }

    fn kill_add(&self, point: &Point, way: WayOut) -> bool {
        let config = self.chain.config(point.at, &self.chain.add_first(point.at));
        let step = &self.chain.steps[point.at];
        let killed = end(&step.plugin, "ADD", &config, point);
        let what = self.said("ADD", point);
        match way {
            WayOut::Del => (),
            WayOut::Gc => self.chain.gc(),
            WayOut::Add => add_again(&step.plugin, &config, &what),
        }
        self.leave(way, &what);
        killed
    }

    fn kill_del(&self, point: &Point, way: WayOut) -> bool {
        self.chain.add();
        self.chain.del_after(point.at + 1);
        let step = &self.chain.steps[point.at];
        let killed = end(&step.plugin, "DEL", &step.config, point);
        let what = self.said("DEL", point);
        match way {
            WayOut::Del => (),
            WayOut::Gc => self.chain.gc(),
            WayOut::Add => {
                let config = self.chain.config(0, &Value::Null);
                add_again(&self.chain.steps[0].plugin, &config, &what);
            }
        }
        self.leave(way, &what);
        killed
    }

    /// After GC nothing may be left for a DEL to do.
    fn leave(&self, way: WayOut, what: &str) {
        if !matches!(way, WayOut::Gc) {
            self.chain.del();
        }
        self.assert_clean(&format!("{what}, then {way:?}"));
    }
}

/// Whether the point was met: the plugin itself, alone, is seen to die; of a delegate only its caller could tell. A run that had
/// less to wait for than the first one has fewer calls.
fn end(plugin: &Plugin, verb: &str, config: &Value, point: &Point) -> bool {
    let trace = plugin.kill_at(verb, config, point.scope, &point.call);
    let met = trace.calls.iter().any(|call| call.name == point.call.name && call.nth == point.call.nth);
    let killed = trace.outcome.status.signal() == Some(9);
    assert!(killed || !met || point.scope == Scope::Delegates, "{verb} outlived {}: {trace:?}", point.call);
    met
}

/// An attachment that stands is not attached a second time: that is the only reason to refuse.
fn add_again(plugin: &Plugin, config: &Value, what: &str) {
    let again = plugin.add(config);
    if !again.status.success() {
        let msg = again.error().msg;
        assert!(msg.contains("run DEL before another ADD"), "{what}, then ADD: {msg}");
    }
}
