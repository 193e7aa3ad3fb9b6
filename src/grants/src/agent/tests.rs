use api::Metadata;

use super::*;

fn pools(ranges: &str, give: i64) -> Vec<NodePool> {
    let subnet = "10.0.0.0/24".to_owned();
    vec![NodePool { name: "p".to_owned(), ranges: ranges.to_owned(), subnet, give, ..NodePool::default() }]
}

fn node(epoch: i64, pools: Vec<NodePool>, status: RailNodeStatus) -> RailNode {
    let spec = RailNodeSpec { epoch, pools, ..RailNodeSpec::default() };
    RailNode { metadata: Metadata::default(), spec, status: Some(status), ..RailNode::default() }
}

fn agent(kept: Option<Kept>) -> Agent {
    Agent::new("life".to_owned(), "n".to_owned(), kept, AgentRules::default())
}

fn look(agent: &mut Agent, node: &RailNode) -> Step {
    let (leased, nothing) = (RangeSet::default(), BTreeMap::new());
    agent.step(Some(node), &Local { leased: &leased, waiting: &nothing, most: &nothing, now: 0 })
}

/// A node that has given up two of its four addresses, which its spec still has; and what it kept before that.
fn given() -> (Kept, RailNode) {
    let before = node(6, pools("10.0.0.1-10.0.0.4", 0), RailNodeStatus::default());
    let mut agent = agent(Some(Kept { node: "n".to_owned(), epoch: 5, ..Kept::default() }));
    agent.join(&before);
    look(&mut agent, &before);
    let older = agent.kept().clone();
    let asked = node(7, pools("10.0.0.1-10.0.0.4", 2), RailNodeStatus::default());
    let said = look(&mut agent, &asked).say.unwrap();
    assert_eq!(said.pools[0].returned, "10.0.0.3-10.0.0.4");
    (older, node(7, pools("10.0.0.1-10.0.0.4", 2), said))
}

#[test]
fn a_memory_from_before_addresses_were_given_up_is_none() {
    let (older, known) = given();
    let mut agent = agent(Some(older));
    agent.join(&known);
    assert!(agent.kept().waits && agent.usable().values().all(RangeSet::is_empty));
    // Not before a newer spec has come does it hand out anything, and then not what it has given up.
    look(&mut agent, &known);
    assert!(agent.usable().values().all(RangeSet::is_empty));
    look(&mut agent, &node(8, pools("10.0.0.1-10.0.0.4", 2), known.status.unwrap()));
    assert_eq!(ranges_text(&agent.usable()["p"]), "10.0.0.1-10.0.0.2");
}

#[test]
fn a_memory_that_is_up_to_date_counts_at_once() {
    let (_, known) = given();
    let returned = [("p".to_owned(), "10.0.0.3-10.0.0.4".to_owned())].into();
    let kept =
        Kept { node: "n".to_owned(), epoch: 7, pools: known.spec.pools.clone(), returned, waits: false };
    let mut agent = agent(Some(kept));
    agent.join(&known);
    assert_eq!(ranges_text(&agent.usable()["p"]), "10.0.0.1-10.0.0.2");
}
