//! An API server of a test: it answers as it is told, and remembers what it was asked.

use std::cell::RefCell;
use std::convert::Infallible;
use std::rc::Rc;

use http::{Request, Response};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use kube::{Client, Config};
use serde_json::Value;
use tokio::net::TcpListener;

use super::Connection;

pub(crate) struct Fake {
    pub(crate) connection: Connection,
    asked: Rc<RefCell<Vec<String>>>,
}

impl Fake {
    /// `answer` gets the method, and path with query.
    pub(crate) async fn start(answer: impl Fn(&str, &str) -> (u16, Value) + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (asked, answer) = (Rc::new(RefCell::new(Vec::new())), Rc::new(answer));
        let notes = asked.clone();
        tokio::task::spawn_local(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (notes, answer) = (notes.clone(), answer.clone());
                let service = service_fn(move |request: Request<Incoming>| {
                    let url = request.uri().to_string();
                    let (status, body) = answer(request.method().as_str(), &url);
                    notes.borrow_mut().push(url);
                    let mut response = Response::new(Full::new(Bytes::from(body.to_string())));
                    *response.status_mut() = status.try_into().unwrap();
                    async move { Ok::<_, Infallible>(response) }
                });
                tokio::task::spawn_local(
                    http1::Builder::new().serve_connection(TokioIo::new(stream), service),
                );
            }
        });
        Self { connection: connect(&address.to_string()), asked }
    }

    /// All that was asked, in order.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.borrow().clone()
    }
}

/// To whoever serves there, without TLS.
pub(crate) fn connect(address: &str) -> Connection {
    let mut config = Config::new(format!("http://{address}").parse().unwrap());
    // Nobody has roots for it.
    config.accept_invalid_certs = true;
    Connection::to(Client::try_from(config).unwrap())
}

/// As `main` runs all of it.
pub(crate) fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, test);
}
