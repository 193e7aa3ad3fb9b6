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
    look_with(agent, node, &RangeSet::default())
}

fn look_with(agent: &mut Agent, node: &RailNode, leased: &RangeSet) -> Step {
    let nothing = BTreeMap::new();
    agent.step(Some(node), &Local { leased, waiting: &nothing, most: &nothing, now: 0 })
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

#[test]
fn a_life_without_a_memory_that_is_asked_names_the_addresses_of_its_pods_beside_what_it_gave_up() {
    let (_, mut known) = given();
    known.spec.confirm = true;
    (known.spec.epoch, known.status.as_mut().unwrap().epoch) = (8, 7);
    let mut agent = agent(None);
    agent.join(&known);
    let said = look_with(&mut agent, &known, &ranges_of("10.0.0.1,10.0.1.1").unwrap()).say.unwrap();
    let pool = &said.pools[0];
    assert_eq!((pool.held.as_deref(), &*pool.returned), (Some("10.0.0.1"), "10.0.0.3-10.0.0.4"));
}

#[test]
fn an_address_of_a_pod_is_not_given_up_whatever_an_older_word_says() {
    let (_, known) = given();
    let mut agent = agent(None);
    agent.join(&known);
    let leased = ranges_of("10.0.0.1,10.0.0.3").unwrap();
    let said = look_with(&mut agent, &node(8, pools("10.0.0.1-10.0.0.4", 0), known.status.unwrap()), &leased);
    assert_eq!(said.say.unwrap().pools[0].returned, "10.0.0.4");
    assert_eq!(ranges_text(&agent.usable()["p"]), "10.0.0.1-10.0.0.3");
}

#[test]
fn an_object_that_is_made_again_begins_after_all_that_its_node_has_seen() {
    let (kept, _) = given();
    let epoch = kept.epoch;
    assert_eq!(agent(Some(kept)).first_epoch(0), epoch + 1);
    assert_eq!(agent(None).first_epoch(1_800_000_000_000_000), 1_800_000_000_000_000);
}
