//! A list, and then a watch from its version on, for ever: whatever is lost between is listed again.

use std::time::Duration;

use futures::{StreamExt as _, TryStreamExt as _};
use kube::core::params::{ListParams, WatchParams};
use kube::core::{Request, WatchEvent};
use serde::de::DeserializeOwned;

use super::{Connection, Failure};

/// Between two attempts to list.
const PAUSE: Duration = Duration::from_millis(500);
/// How soon a kind is noticed that has not been served before.
const UNSERVED: Duration = Duration::from_secs(20);
/// How long a watch lasts before it starts again, in seconds: shorter than what lies between would cut.
const WATCH: u32 = 240;
/// How long a watch may say nothing. An API server that has nothing to tell sends a bookmark every minute; one whose machine is gone,
/// or a firewall that has forgotten the connection, closes nothing, and nobody would ever hear of it.
pub(super) const SILENCE: Duration = Duration::from_secs(150);

/// How much of an object is asked for.
#[derive(Clone, Copy)]
pub(super) enum Form {
    Whole,
    Metadata,
}

/// What a watch shows.
#[derive(Clone, Debug)]
pub(crate) enum Seen<T> {
    /// All of them, at a version; and whether the API server has gone back in time. Whoever heeds that says so by
    /// [`Connection::went_back`], and until then every list shows it.
    All(Vec<T>, u64, bool),
    /// One has changed.
    One(Box<T>),
    /// One is gone.
    Gone(Box<T>),
}

impl Connection {
    /// Remembers the newest version that was seen.
    pub(crate) fn note(&self, version: u64) {
        self.newest.set(self.newest.get().max(version));
    }

    /// From now on versions are compared with this one: the API server was put back to an older state.
    pub(crate) fn went_back(&self, version: u64) {
        self.newest.set(version);
    }

    /// Whether a list at a version shows an older state than was known when it was asked for.
    fn goes_back(&self, version: u64, floor: u64) -> bool {
        let goes_back = version < floor;
        if !goes_back {
            self.note(version);
        }
        goes_back
    }

    /// Lists and watches for ever, and tells what it sees until nobody listens any more.
    pub(crate) async fn follow<T>(self, path: String, fields: Option<String>, tell: impl Fn(Seen<T>) -> bool)
    where
        T: DeserializeOwned + Clone + 'static,
    {
        self.follow_as(path, fields, Form::Whole, tell).await;
    }

    /// The same of the objects' metadata alone, which of a pod is a tenth.
    pub(crate) async fn follow_metadata<T>(self, path: String, tell: impl Fn(Seen<T>) -> bool)
    where
        T: DeserializeOwned + Clone + 'static,
    {
        self.follow_as(path, None, Form::Metadata, tell).await;
    }

    /// The same of a kind that only some clusters have: where it is not served, there is no object of it.
    pub(crate) async fn follow_where_served<T>(self, path: String, tell: impl Fn(Seen<T>) -> bool)
    where
        T: DeserializeOwned + Clone + 'static,
    {
        let mut said = String::new();
        loop {
            let problem = match self.list::<T>(&path).await {
                Err(Failure::Missing) if !tell(Seen::All(Vec::new(), 0, false)) => return,
                Err(Failure::Missing) => {
                    tokio::time::sleep(UNSERVED).await;
                    continue;
                }
                Err(failure) => failure.to_string(),
                Ok(_) => match self.follow_once(&path, None, Form::Whole, &tell).await {
                    Ok(()) => return,
                    Err(problem) => problem,
                },
            };
            if said != problem {
                eprintln!(
                    "raild: {path}: {problem}; listing it again, and deciding nothing that depends on it before"
                );
                said = problem;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn follow_as<T>(
        self,
        path: String,
        fields: Option<String>,
        form: Form,
        tell: impl Fn(Seen<T>) -> bool,
    ) where
        T: DeserializeOwned + Clone + 'static,
    {
        let mut said = String::new();
        loop {
            match self.follow_once(&path, fields.as_deref(), form, &tell).await {
                Ok(()) => return,
                // Said once, and not twice a second: a kind may be missing for as long as its operator is.
                Err(problem) if said != problem => {
                    eprintln!("raild: {path}: {problem}; listing it again");
                    said = problem;
                }
                Err(_) => {}
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn follow_once<T>(
        &self,
        path: &str,
        fields: Option<&str>,
        form: Form,
        tell: &impl Fn(Seen<T>) -> bool,
    ) -> Result<(), String>
    where
        T: DeserializeOwned + Clone + 'static,
    {
        let floor = self.newest.get();
        let params = ListParams { field_selector: fields.map(str::to_owned), ..ListParams::default() };
        let listed = self.pages(path, form, &params, Some).await;
        let (objects, mut version) = listed.map_err(|failure| failure.to_string())?;
        let number = version.parse().unwrap_or(0);
        let goes_back = self.goes_back(number, floor);
        if !tell(Seen::All(objects, number, goes_back)) {
            return Ok(());
        }
        loop {
            let params = WatchParams { field_selector: fields.map(str::to_owned), ..WatchParams::default() }
                .timeout(WATCH);
            let request = match form {
                Form::Whole => Request::new(path).watch(&params, &version),
                Form::Metadata => Request::new(path).watch_metadata(&params, &version),
            };
            let request = request.map_err(|error| error.to_string())?;
            let events = within(self.silence, self.client.request_events::<Event<T>>(request)).await?;
            let mut events = events.boxed_local();
            while let Some(event) = within(self.silence, events.try_next()).await? {
                let (seen, newer) = match event {
                    WatchEvent::Added(event) | WatchEvent::Modified(event) => {
                        (Some(Seen::One(Box::new(event.object))), event.version)
                    }
                    WatchEvent::Deleted(event) => (Some(Seen::Gone(Box::new(event.object))), event.version),
                    WatchEvent::Bookmark(mark) => (None, mark.metadata.resource_version),
                    WatchEvent::Error(status) => return Err(format!("watch ended: {status:?}")),
                };
                self.note(newer.parse().unwrap_or(0));
                version = newer;
                if seen.is_some_and(|seen| !tell(seen)) {
                    return Ok(());
                }
            }
        }
    }
}

/// The end of a connection that nobody has closed is that nothing comes any more.
async fn within<T>(limit: Duration, next: impl Future<Output = Result<T, kube::Error>>) -> Result<T, String> {
    match tokio::time::timeout(limit, next).await {
        Ok(next) => next.map_err(|error| error.to_string()),
        Err(_) => Err(format!("the watch said nothing for {} s", limit.as_secs())),
    }
}

/// An object with its version, whatever its type knows of that.
#[derive(Clone)]
struct Event<T> {
    object: T,
    version: String,
}

impl<'de, T: DeserializeOwned> serde::Deserialize<'de> for Event<T> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = serde_json::Value::deserialize(deserializer)?;
        let version = value["metadata"]["resourceVersion"].as_str().unwrap_or_default().to_owned();
        let object = serde_json::from_value(value).map_err(serde::de::Error::custom)?;
        Ok(Self { object, version })
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;

    use serde_json::{Value, json};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};

    use super::super::fake::{self, Fake, run};
    use super::*;

    #[test]
    fn a_list_that_shows_less_than_was_known_when_it_was_asked_for_goes_back_in_time_until_somebody_heeds_it()
    {
        run(async {
            let fake = Fake::start(|_, _| (200, json!({}))).await;
            let connection = fake.connection.clone();
            connection.note(10);
            assert!(!connection.goes_back(12, 10));
            // What other watches have shown meanwhile says nothing of a list that was under way.
            assert!(!connection.goes_back(11, 10));
            assert!(connection.goes_back(5, 12) && connection.goes_back(6, 12));
            assert_eq!(connection.newest.get(), 12, "a list of a kind that nobody heeds does not hide it");
            connection.went_back(6);
            assert!(!connection.goes_back(7, connection.newest.get()));
        });
    }

    /// Lists as often as it is asked; a watch begins, and then nothing comes of it, not even an end.
    async fn answer(mut stream: TcpStream) {
        let mut asked = Vec::new();
        while !asked.ends_with(b"\r\n\r\n") {
            if stream.read_buf(&mut asked).await.unwrap_or(0) == 0 {
                return;
            }
        }
        if String::from_utf8_lossy(&asked).contains("watch=true") {
            let head =
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
            stream.write_all(head.as_bytes()).await.unwrap();
            return std::future::pending().await;
        }
        let list = r#"{"metadata": {"resourceVersion": "7"}, "items": []}"#;
        let length = list.len();
        let text = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{list}");
        stream.write_all(text.as_bytes()).await.unwrap();
    }

    #[test]
    fn a_watch_that_hangs_is_begun_again_by_a_list() {
        fake::run(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            tokio::task::spawn_local(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    tokio::task::spawn_local(answer(stream));
                }
            });
            let connection =
                Connection { silence: Duration::from_millis(200), ..fake::connect(&address.to_string()) };
            let lists = Rc::new(Cell::new(0));
            let seen = lists.clone();
            let told = move |_: Seen<Value>| {
                seen.set(seen.get() + 1);
                seen.get() < 2
            };
            let followed = connection.follow("/api/v1/nodes".to_owned(), None, told);
            tokio::time::timeout(Duration::from_secs(30), followed).await.expect("it is listed again");
            assert_eq!(lists.get(), 2);
        });
    }
}
