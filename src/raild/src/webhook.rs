//! `raild webhook`: what an API server asks goes to the crate `admission`, and its answer goes back. Every replica serves; nobody
//! leads. It begins to serve when it knows all lists and has a certificate.

mod certificate;
mod keys;
mod registration;
mod room;
mod server;
mod settings;

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use admission::{Answer, Books, Loss, Request, World, going, is_as_known, judge, losing, mutate, removal};
use fabric::Options;
use serde_json::Value;

use crate::connection::Connection;
use crate::known::Known;
use crate::looks::Looks;
use crate::users;
use keys::Keeper;
pub(crate) use settings::Settings;

/// How long it serves after it was told to end: the API server learns from the endpoints that it is gone.
const LINGER: Duration = Duration::from_secs(3);
/// How far the API server may be ahead of its watch.
const CATCH_UP: Duration = Duration::from_secs(1);

/// Runs until it is ended.
pub(crate) async fn run() -> Result<(), String> {
    let settings = Rc::new(Settings::from_environment()?);
    let connection = Connection::open().await?;
    let world = World::new(settings.policy.clone(), Options::of_cluster(&settings.networks));
    let known = Known::follow(&connection, world);
    let keeper = Keeper::start(&connection, &settings, &known);
    known.complete().await;
    let listener = tokio::net::TcpListener::bind(settings.listen)
        .await
        .map_err(|error| format!("listen on {}: {error}", settings.listen))?;
    eprintln!("raild: the webhook serves on {}", settings.listen);
    let webhook = Rc::new(Webhook::new(connection, known));
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
        .map_err(|error| format!("signals: {error}"))?;
    let serve = server::serve(listener, keeper.serving(), webhook);
    let ended = async {
        terminate.recv().await;
        tokio::time::sleep(LINGER).await;
    };
    tokio::select! {
        () = serve => Ok(()),
        () = ended => Ok(()),
    }
}

/// Who answers. What is read of a body takes many times its length: it is read again after a wait, and not kept over it.
pub(crate) struct Webhook {
    connection: Connection,
    known: Known,
    books: Looks<Result<Rc<Books>, String>>,
    attached: Looks<Result<Rc<Attached>, String>>,
}

/// Pods of each network.
type Attached = BTreeMap<String, Vec<String>>;

/// An answer, and to which request.
type Answered = (String, Answer);

impl Webhook {
    fn new(connection: Connection, known: Known) -> Self {
        Self { connection, known, books: Looks::default(), attached: Looks::default() }
    }

    /// The body of the answer to a review at this path; an error is told to whoever has sent something else.
    pub(crate) async fn answer(&self, path: &str, body: &[u8]) -> Result<Value, String> {
        let (uid, answer) = match path {
            registration::PODS => self.pod(body).await?,
            _ => self.object(body).await?,
        };
        Ok(answer.review(&uid))
    }

    async fn pod(&self, body: &[u8]) -> Result<Answered, String> {
        let (uid, answer) = self.mutated(body)?;
        if !answer.look_again {
            return Ok((uid, answer));
        }
        // A network may have been made in the same breath as its pod, and the watch is not there yet.
        self.known.look_again(&self.connection).await;
        self.mutated(body)
    }

    fn mutated(&self, body: &[u8]) -> Result<Answered, String> {
        let request = Request::parse(body)?;
        let answer = mutate(&request, &mut self.known.world.borrow_mut());
        Ok((request.uid, answer))
    }

    async fn object(&self, body: &[u8]) -> Result<Answered, String> {
        let networks = going(&Request::parse(body)?, &self.known.world.borrow().options);
        if !networks.is_empty() {
            return self.removed(body, &networks).await;
        }
        if losing(&Request::parse(body)?).is_empty() {
            return self.judged(body, &[]);
        }
        if !self.is_known(body).await? {
            return refused(
                body,
                "the webhook has not seen the pool as it is now, and cannot say which pods have its addresses: try again",
            );
        }
        match self.losses(body).await {
            Ok(losses) => self.judged(body, &losses),
            Err(problem) => refused(
                body,
                &format!(
                    "nobody can say which pods have the addresses that would be lost ({problem}): try again"
                ),
            ),
        }
    }

    /// A Fabric with these networks, which is to go. Pods that go as well are in nobody's way.
    async fn removed(&self, body: &[u8], networks: &BTreeSet<String>) -> Result<Answered, String> {
        if !self.is_known(body).await? {
            return refused(
                body,
                "the webhook has not seen the Fabric as it is now, and cannot say which pods are on its rails: try again",
            );
        }
        let stays = |pod: &Value| pod["metadata"]["deletionTimestamp"].is_null();
        let look = || async { users::attached(&self.connection, stays).await.map(Rc::new) };
        match self.attached.look(look).await {
            Ok(attached) => {
                let request = Request::parse(body)?;
                let answer = removal(&request, networks, &attached);
                Ok((request.uid, answer))
            }
            Err(problem) => {
                refused(body, &format!("nobody can say which pods are on its rails ({problem}): try again"))
            }
        }
    }

    fn judged(&self, body: &[u8], losses: &[Loss]) -> Result<Answered, String> {
        let request = Request::parse(body)?;
        let answer = judge(&request, &self.known.world.borrow(), losses);
        Ok((request.uid, answer))
    }

    /// Whether the pool or Fabric is the one that the cluster has. Whoever makes one up has nobody looked for.
    async fn is_known(&self, body: &[u8]) -> Result<bool, String> {
        let is_known = || Ok::<_, String>(is_as_known(&Request::parse(body)?, &self.known.world.borrow()));
        if is_known()? {
            return Ok(true);
        }
        // The API server may be ahead of its watch.
        tokio::time::sleep(CATCH_UP).await;
        is_known()
    }

    /// What nodes would lose, with what their pods say.
    async fn losses(&self, body: &[u8]) -> Result<Vec<Loss>, String> {
        let books = self.books.look(|| users::books(&self.connection)).await?;
        users::losses(&self.connection, &books, &Request::parse(body)?).await
    }
}

fn refused(body: &[u8], problem: &str) -> Result<Answered, String> {
    Ok((Request::parse(body)?.uid, Answer::refused(problem)))
}

#[cfg(test)]
mod tests {
    use inject::Policy;
    use serde_json::json;

    use super::*;
    use crate::connection::fake::{Fake, run};

    fn pool(uid: &str) -> Value {
        json!({
            "kind": "SpiderIPPool", "metadata": { "name": "a", "uid": uid },
            "spec": { "subnet": "10.0.0.0/24", "ips": ["10.0.0.1-10.0.0.9"] },
        })
    }

    fn deletion(pool: &Value) -> Vec<u8> {
        let kind = json!({ "group": "spiderpool.spidernet.io", "kind": "SpiderIPPool" });
        json!({ "request": { "uid": "u", "kind": kind, "operation": "DELETE", "oldObject": pool } })
            .to_string()
            .into_bytes()
    }

    /// worker-1 uses one address of the pool, which a pod there says it has; so says one on another node of another address.
    fn cluster(_: &str, url: &str) -> (u16, Value) {
        let status = |address: &str| json!([{ "ips": [address] }]).to_string();
        let pod = |name: &str, address: &str| {
            let annotations = json!({ "k8s.v1.cni.cncf.io/network-status": status(address) });
            json!({ "metadata": { "namespace": "victim", "name": name, "annotations": annotations } })
        };
        let items = if url.contains("railblocks") {
            vec![json!({ "metadata": { "name": "a-0" }, "spec": {
                "group": "a", "first": 0, "count": 128, "epoch": 1, "pools": ["a"], "subnets": ["10.0.0.0/24"],
                "rails": ["worker-1=1-4"], "since": "worker-1=1",
            }})]
        } else if url.contains("railnodes") {
            vec![
                json!({ "metadata": { "name": "worker-1" }, "spec": {}, "status": { "pools": [{ "name": "a", "used": 1 }] } }),
            ]
        } else if url.contains("worker-1") {
            vec![pod("train-0", "10.0.0.1")]
        } else {
            vec![pod("squatter", "10.0.0.9")]
        };
        (200, json!({ "metadata": { "resourceVersion": "1" }, "items": items }))
    }

    fn webhook(fake: &Fake) -> Webhook {
        let mut world = World::new(Policy::default(), Options::of_cluster("default"));
        world.pools.insert("a".to_owned(), pool("0b5e"));
        Webhook::new(fake.connection.clone(), Known::new(world))
    }

    fn message(review: &Value) -> String {
        review["response"]["status"]["message"].as_str().unwrap_or("allowed").to_owned()
    }

    #[test]
    fn whoever_makes_up_a_pool_has_no_pod_looked_for_and_learns_of_none() {
        run(async {
            let fake = Fake::start(cluster).await;
            let webhook = webhook(&fake);
            let mut larger = pool("0b5e");
            larger["spec"]["ips"] = json!(["10.0.0.1-10.0.0.250"]);
            for made_up in [pool("guessed"), larger] {
                let answer = webhook.answer(registration::OBJECTS, &deletion(&made_up)).await.unwrap();
                assert!(message(&answer).contains("has not seen the pool as it is now"), "{answer}");
            }
            assert_eq!(fake.asked(), [""; 0]);
        });
    }

    #[test]
    fn the_pool_of_the_cluster_is_kept_for_who_has_its_addresses_and_one_look_serves_a_crowd() {
        run(async {
            let fake = Fake::start(cluster).await;
            let webhook = webhook(&fake);
            let body = deletion(&pool("0b5e"));
            let crowd = (0..20).map(|_| webhook.answer(registration::OBJECTS, &body));
            for answer in futures::future::join_all(crowd).await {
                let message = message(&answer.unwrap());
                assert!(message.contains("10.0.0.1 of pod victim/train-0; set"), "{message}");
                assert!(!message.contains("squatter"), "{message}");
            }
            let looks = fake.asked().iter().filter(|url| url.contains("railnodes")).count();
            assert!(looks <= 2, "{looks} looks for twenty who came at once");
        });
    }
}
