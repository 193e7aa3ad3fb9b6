//! Pods: they get the rails that they ask for.

use inject::{Injection, Outcome, Refusal, inject};

use crate::answer::Answer;
use crate::request::Request;
use crate::world::World;

/// What becomes of a pod that is about to be made.
pub fn mutate(request: &Request, world: &mut World) -> Answer {
    if request.kind.kind != "Pod" || request.operation != "CREATE" {
        return Answer::allowed();
    }
    // A pod has no namespace of its own before it is made.
    let namespace = world.namespace(&request.namespace);
    let policy = world.policy.clone();
    match inject(&request.object, &namespace, world.networks(), &policy) {
        Ok(Outcome::Untouched(_)) => Answer::allowed(),
        Ok(Outcome::Injected(Injection { patch, notes, .. })) => {
            Answer { patch, warnings: notes, ..Answer::default() }
        }
        Err(refusal) => {
            let look_again = matches!(refusal, Refusal::Unknown { .. });
            Answer { look_again, ..Answer::refused(refusal.to_string()) }
        }
    }
}
