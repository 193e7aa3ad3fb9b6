//! Who uses what is about to be taken away: addresses, by the cluster's own books and by what pods say of themselves; networks, by
//! what pods ask Multus for.

use std::collections::BTreeMap;
use std::rc::Rc;

use admission::{Books, Loss, Request, User, asked, holders, losing};
use api::{RailBlock, RailNode};
use serde_json::Value;

use crate::connection::{Connection, Failure, path};

/// All blocks, and what all nodes use.
pub(crate) async fn books(connection: &Connection) -> Result<Rc<Books>, String> {
    let mut books = Books::default();
    let blocks = connection.find(&path::<RailBlock>(), |block: RailBlock| Some(block.spec)).await;
    for block in served(blocks).map_err(|failure| format!("RailBlocks: {failure}"))? {
        books.add_block(&block);
    }
    let used = |node: RailNode| Some((node.metadata.name, node.status.unwrap_or_default().pools));
    let nodes = connection.find(&path::<RailNode>(), used).await;
    for (node, pools) in served(nodes).map_err(|failure| format!("RailNodes: {failure}"))? {
        books.add_node(&node, &pools);
    }
    Ok(Rc::new(books))
}

/// What nodes would lose by the edit of a pool, with what their pods say.
pub(crate) async fn losses(
    connection: &Connection,
    books: &Books,
    request: &Request,
) -> Result<Vec<Loss>, String> {
    let mut losses = books.losses(request)?;
    let asked = asked(&losses);
    for loss in losses.iter_mut().filter(|loss| asked.contains(&loss.node)) {
        let pods = connection.pods_of(&loss.node, |pod: Value| User::of(&pod)).await;
        loss.pods = pods.map_err(|failure| format!("pods of node {}: {failure}", loss.node))?;
    }
    Ok(losses)
}

/// The pods of each network that count, as they ask for it: NAMESPACE/NAME by NAMESPACE/NAME. Those that have ended never do.
pub(crate) async fn attached(
    connection: &Connection,
    counts: impl Fn(&Value) -> bool,
) -> Result<BTreeMap<String, Vec<String>>, String> {
    let asks = |pod: Value| {
        let asked = counts(&pod).then(|| (crate::known::key(&pod), inject::attached(&pod)));
        asked.filter(|(_, asks)| !asks.is_empty())
    };
    let pods = connection.pods_that_run(asks).await.map_err(|failure| format!("pods: {failure}"))?;
    let mut attached: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (pod, networks) in pods {
        for network in networks {
            attached.entry(network).or_default().push(pod.clone());
        }
    }
    Ok(attached)
}

/// A kind that is not served has no objects.
fn served<T>(found: Result<Vec<T>, Failure>) -> Result<Vec<T>, Failure> {
    match found {
        Err(Failure::Missing) => Ok(Vec::new()),
        found => found,
    }
}

/// Names are listed, but not hundreds of them.
const LISTED: usize = 5;

/// What one pass has read of it: once, and only where something asks.
pub(crate) struct Users {
    connection: Connection,
    books: Option<Rc<Books>>,
    attached: Option<BTreeMap<String, Vec<String>>>,
}

impl Users {
    /// Nothing is read yet.
    pub(crate) fn new(connection: &Connection) -> Self {
        Self { connection: connection.clone(), books: None, attached: None }
    }

    /// Whose addresses a pool would lose that is to be so, or to go.
    pub(crate) async fn of_pool(&mut self, found: &Value, wanted: &Value) -> Result<Option<String>, String> {
        let request = Request::to_change(found, wanted);
        if losing(&request).is_empty() {
            return Ok(None);
        }
        let books = match &self.books {
            Some(books) => books.clone(),
            None => self.books.insert(books(&self.connection).await?).clone(),
        };
        Ok(holders(&request, &losses(&self.connection, &books, &request).await?))
    }

    /// Which pods ask for a network.
    pub(crate) async fn of_network(&mut self, network: &str) -> Result<Option<String>, String> {
        let attached = match &self.attached {
            Some(attached) => attached,
            None => self.attached.insert(attached(&self.connection, |_| true).await?),
        };
        let Some(pods) = attached.get(network) else { return Ok(None) };
        let named: Vec<_> = pods.iter().take(LISTED).map(|pod| format!("pod {pod}")).collect();
        let more = pods.len() - named.len();
        let more = if more == 0 { String::new() } else { format!(" and {more} more") };
        Ok(Some(format!("{}{more}", named.join(", "))))
    }
}
