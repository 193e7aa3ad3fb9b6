//! Our own kinds: in the words in which files are refused.

use multus_config::network;
use serde_json::Value;

use crate::answer::Answer;
use crate::books::Loss;
use crate::pool;
use crate::request::Request;
use crate::world::World;

/// Nobody writes a longer network, and all of them are kept.
const LONGEST: usize = 64 << 10;

/// Whether an object of our kinds may be as it is to be. `losses` are asked for where [`losing`](crate::losing) says that somebody
/// may lose an address.
pub fn judge(request: &Request, world: &World, losses: &[Loss]) -> Answer {
    match request.kind.kind.as_str() {
        _ if is_same(request) => Answer::allowed(),
        "SpiderIPPool" => pool::judge(request, world, losses),
        _ if request.operation == "DELETE" => Answer::allowed(),
        "SpiderReservedIP" => pool::reserved(&request.object),
        multus_config::KIND => config(request, world),
        "Fabric" => fabric(&request.object),
        _ => Answer::allowed(),
    }
}

/// Labels, owners and finalizers may change on an object that an older release let pass.
fn is_same(request: &Request) -> bool {
    let (object, old) = (&request.object, &request.old_object);
    request.operation == "UPDATE"
        && object["spec"] == old["spec"]
        && object["metadata"]["annotations"] == old["metadata"]["annotations"]
}

fn fabric(object: &Value) -> Answer {
    let checked = fabric::fabrics(std::slice::from_ref(object))
        .map_err(|error| error.to_string())
        .and_then(|fabrics| fabrics.iter().try_for_each(fabric::check).map_err(|errors| errors.to_string()));
    checked.map_or_else(Answer::refused, |()| Answer::allowed())
}

fn config(request: &Request, world: &World) -> Answer {
    let object = &request.object;
    if object["spec"].to_string().len() + object["metadata"]["annotations"].to_string().len() > LONGEST {
        let problem = format!("spec and annotations are longer than {} KiB together", LONGEST >> 10);
        return Answer::refused(format!(
            "{} {}: {problem}",
            multus_config::KIND,
            text(&object["metadata"]["name"])
        ));
    }
    if let Some(refusal) = renamed(object, &request.old_object).or_else(|| same_network(request, world)) {
        return Answer::refused(refusal);
    }
    match multus_config::render(object, &[]) {
        Err(error) => Answer::refused(format!("{error:#}")),
        Ok(rendered) => {
            let mut networks = inject::Networks::default();
            networks.add_config(object);
            let unusable = networks
                .problems()
                .into_iter()
                .map(|problem| format!("pods that ask for it are refused: {problem}"));
            Answer { warnings: rendered.warnings.into_iter().chain(unusable).collect(), ..Answer::default() }
        }
    }
}

/// Pods and policies refer to the definition by its name.
fn renamed(object: &Value, old: &Value) -> Option<String> {
    if old.is_null() || network(object) == network(old) {
        return None;
    }
    Some(format!(
        "annotation {} cannot be changed: pods refer to network {}; make another {} for network {}",
        multus_config::CR_NAME,
        network(old),
        multus_config::KIND,
        network(object)
    ))
}

fn same_network(request: &Request, world: &World) -> Option<String> {
    let own = text(&request.object["metadata"]["name"]);
    let is_other = |other: &&Value| {
        other["metadata"]["namespace"] == request.namespace.as_str()
            && text(&other["metadata"]["name"]) != own
    };
    let other =
        world.configs.values().filter(is_other).find(|other| network(other) == network(&request.object))?;
    Some(format!(
        "network {} is made by {} {} already: name another by annotation {}",
        network(&request.object),
        multus_config::KIND,
        text(&other["metadata"]["name"]),
        multus_config::CR_NAME
    ))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
