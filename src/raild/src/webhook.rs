//! `raild webhook`: what an API server asks goes to the crate `admission`, and its answer goes back. Every replica serves; nobody
//! leads. It begins to serve when it knows all lists and has a certificate.

mod certificate;
mod keys;
mod registration;
mod room;
mod server;
mod settings;

use std::rc::Rc;
use std::time::Duration;

use admission::{Request, User, World, judge, losing, mutate};
use fabric::Options;
use serde_json::Value;

use crate::connection::Connection;
use crate::known::Known;
use keys::Keeper;
pub(crate) use settings::Settings;

/// How long it serves after it was told to end: the API server learns from the endpoints that it is gone.
const LINGER: Duration = Duration::from_secs(3);

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
    let webhook = Rc::new(Webhook { connection, known });
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

/// Who answers.
pub(crate) struct Webhook {
    connection: Connection,
    known: Known,
}

impl Webhook {
    /// The body of the answer to a review at this path; an error is told to whoever has sent something else.
    pub(crate) async fn answer(&self, path: &str, body: &[u8]) -> Result<Value, String> {
        let request = Request::parse(body)?;
        let answer = match path {
            registration::PODS => self.pod(&request).await,
            _ => self.object(&request).await,
        };
        Ok(answer.review(&request.uid))
    }

    async fn pod(&self, request: &Request) -> admission::Answer {
        let answer = mutate(request, &mut self.known.world.borrow_mut());
        if !answer.look_again {
            return answer;
        }
        // A network may have been made in the same breath as its pod, and the watch is not there yet.
        self.known.look_again(&self.connection).await;
        mutate(request, &mut self.known.world.borrow_mut())
    }

    async fn object(&self, request: &Request) -> admission::Answer {
        let users = if losing(request).is_empty() { Ok(Vec::new()) } else { self.users().await };
        match users {
            Ok(users) => judge(request, &self.known.world.borrow(), &users),
            Err(problem) => admission::Answer::refused(format!(
                "nobody can say which pods have the addresses that would be lost ({problem}): try again"
            )),
        }
    }

    /// All pods with the addresses that they say they have.
    async fn users(&self) -> Result<Vec<User>, String> {
        let pods = self.connection.find("/api/v1/pods", |pod: Value| User::of(&pod)).await;
        pods.map_err(|failure| format!("{failure:?}"))
    }
}
