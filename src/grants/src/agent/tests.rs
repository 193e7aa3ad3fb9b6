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
    look_for(agent, node, leased, &BTreeMap::new(), &[])
}

/// The same with pods that are to have their addresses again, and owners that wait for theirs.
fn look_for(
    agent: &mut Agent,
    node: &RailNode,
    leased: &RangeSet,
    owners: &BTreeMap<IpAddr, String>,
    waiting: &[&str],
) -> Step {
    let nothing = BTreeMap::new();
    let waiting = waiting.iter().map(|owner| (*owner).to_owned()).collect();
    let wishes = &BTreeMap::from([("p".to_owned(), waiting)]);
    agent.step(Some(node), &Local { leased, waiting: &nothing, most: None, owners, wishes, now: 0 })
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

/// Of a sticky pool with these owners, and these answers to those who wait.
fn sticky(epoch: i64, pins: &str, answers: &str) -> RailNode {
    let mut pools = pools("10.0.0.1-10.0.0.4", 0);
    (pools[0].pins, pools[0].owners) = (Some(pins.to_owned()), answers.to_owned());
    node(epoch, pools, RailNodeStatus::default())
}

fn joined(node: &RailNode) -> Agent {
    let mut agent = agent(Some(Kept { node: "n".to_owned(), epoch: 5, ..Kept::default() }));
    agent.join(node);
    agent
}

#[test]
fn a_wish_is_told_at_once_and_answered_by_its_own_mark_only() {
    let seen = sticky(7, "10.0.0.2=other", "");
    let (mut agent, none) = (joined(&seen), RangeSet::default());
    let wait = |agent: &mut Agent, seen: &RailNode, waiting: &[&str]| {
        look_for(agent, seen, &none, &BTreeMap::new(), waiting)
    };
    let said = wait(&mut agent, &seen, &["mine"]).say.unwrap();
    assert_eq!(said.pools[0].owners, "mine=7.1");
    assert_eq!(agent.pin("p", "mine"), Pin::Unknown);
    wait(&mut agent, &sticky(8, "10.0.0.2=other", "mine=7.1@10.0.0.9@far"), &["mine"]);
    let elsewhere = Pin::Elsewhere { ip: "10.0.0.9".to_owned(), node: "far".to_owned() };
    assert_eq!(agent.pin("p", "mine"), elsewhere);
    wait(&mut agent, &sticky(9, "10.0.0.2=other", "mine=7.1"), &["mine"]);
    assert_eq!(agent.pin("p", "mine"), Pin::Nowhere);
    // He waits again, and the answer is still that to the earlier wish.
    wait(&mut agent, &sticky(9, "10.0.0.2=other", "mine=7.1"), &[]);
    let said = wait(&mut agent, &sticky(9, "10.0.0.2=other", "mine=7.1"), &["mine"]).say.unwrap();
    assert_eq!(said.pools[0].owners, "mine=9.2");
    assert_eq!(agent.pin("p", "mine"), Pin::Unknown);
    wait(&mut agent, &sticky(10, "10.0.0.2=mine", ""), &["mine"]);
    assert_eq!(agent.pin("p", "mine"), Pin::Here("10.0.0.2".parse().unwrap()));
}

#[test]
fn a_controller_that_keeps_no_owners_over_nodes_is_not_waited_for() {
    let seen = node(7, pools("10.0.0.1-10.0.0.4", 0), RailNodeStatus::default());
    let mut agent = joined(&seen);
    look(&mut agent, &seen);
    assert_eq!(agent.pin("p", "mine"), Pin::Nowhere);
}

#[test]
fn who_uses_an_address_is_told_until_the_controller_has_it() {
    let seen = sticky(7, "10.0.0.2=mine;10.0.0.3=other;10.0.0.4=gone", "");
    let mut agent = joined(&seen);
    let ip = |text: &str| text.parse::<IpAddr>().unwrap();
    let leased = ["10.0.0.2", "10.0.0.3", "10.0.0.4", "10.9.9.9"].map(|text| ipam::Range::one(ip(text)));
    let leased = leased.into_iter().collect();
    let owners = [("10.0.0.2", "mine"), ("10.0.0.3", "next"), ("10.9.9.9", "far")];
    let owners = owners.map(|(address, owner)| (ip(address), owner.to_owned())).into_iter().collect();
    let said = look_for(&mut agent, &seen, &leased, &owners, &[]).say.unwrap();
    assert_eq!(said.pools[0].pins, "10.0.0.2=mine;10.0.0.3=next;10.0.0.4=");
    // In a newer epoch it is said again, as it counted for nothing in the one before.
    let mut newer = sticky(8, "10.0.0.2=mine;10.0.0.3=other;10.0.0.4=gone", "");
    newer.status = Some(said);
    let said = look_for(&mut agent, &newer, &leased, &owners, &[]).say.unwrap();
    assert_eq!(said.epoch, 8);
    // Once the controller has it, nothing is urgent any more.
    let mut noted = sticky(9, "10.0.0.2=mine;10.0.0.3=next", "");
    noted.status = Some(said);
    assert_eq!(look_for(&mut agent, &noted, &leased, &owners, &[]).say, None);
}

/// Who is about to remove a pool asks the nodes that say they use it.
#[test]
fn a_first_use_is_told_soon_and_a_further_one_when_it_has_lasted() {
    let mut agent = agent(Some(Kept { node: "n".to_owned(), epoch: 5, ..Kept::default() }));
    let mut known = node(6, pools("10.0.0.1-10.0.0.4", 0), RailNodeStatus::default());
    agent.join(&known);
    let (nothing, owners, wishes) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    let mut at = |known: &RailNode, now: u64, leased: &str| {
        let leased = &ranges_of(leased).unwrap();
        let local = Local { leased, waiting: &nothing, most: None, owners: &owners, wishes: &wishes, now };
        agent.step(Some(known), &local).say
    };
    at(&known, 0, "10.9.0.1");
    known.status = at(&known, MORE, "10.9.0.1");
    assert_eq!(known.status.as_ref().unwrap().pools[0].used, 0);
    assert_eq!(at(&known, 40_000, "10.9.0.1"), None);
    assert_eq!(at(&known, 50_000, "10.0.0.1"), None);
    assert_eq!(at(&known, 50_000 + LESS - 1, "10.0.0.1"), None);
    known.status = at(&known, 50_000 + LESS, "10.0.0.1");
    assert_eq!(known.status.as_ref().unwrap().pools[0].used, 1);
    assert_eq!(at(&known, 55_000, "10.0.0.1"), None);
    assert_eq!(at(&known, 60_000, "10.0.0.1-10.0.0.2"), None);
    assert_eq!(at(&known, 60_000 + MORE - 1, "10.0.0.1-10.0.0.2"), None);
    assert!(at(&known, 60_000 + MORE, "10.0.0.1-10.0.0.2").is_some());
}
