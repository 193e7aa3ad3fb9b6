//! HTTP over TLS. Whoever reaches the port may be anybody: connections are counted, handshakes and bodies have deadlines and limits.

use std::convert::Infallible;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use super::Webhook;
use super::keys::Serving;
use super::registration::{OBJECTS, PODS};

const CONNECTIONS: usize = 256;
const HANDSHAKE: Duration = Duration::from_secs(5);
/// Longer than an API server keeps a connection that it does not use, so that it is never cut under a request.
const IDLE: Duration = Duration::from_secs(120);
/// A review has two objects, each of which the API server takes up to 3 MiB.
const LARGEST: usize = 8 << 20;
const BODY: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(100);

/// Serves for ever.
pub(crate) async fn serve(listener: TcpListener, serving: Serving, webhook: Rc<Webhook>) {
    let free = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(place) = free.clone().acquire_owned().await else { return };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                // No file descriptors, or a client that has gone: neither lasts.
                eprintln!("raild: webhook: accept: {error}");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        let (serving, webhook) = (serving.clone(), webhook.clone());
        tokio::task::spawn_local(async move {
            connection(stream, &serving, webhook).await;
            drop(place);
        });
    }
}

/// What goes wrong with a connection is its client's business, and in the API server's log.
async fn connection(stream: TcpStream, serving: &Serving, webhook: Rc<Webhook>) {
    let acceptor = serving.borrow().clone();
    let Some(acceptor) = acceptor else { return };
    let Ok(Ok(stream)) = tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await else { return };
    let service = service_fn(move |request| {
        let webhook = webhook.clone();
        async move { Ok::<_, Infallible>(respond(request, &webhook).await) }
    });
    let mut http = http1::Builder::new();
    let _ = http
        .timer(TokioTimer::new())
        .header_read_timeout(IDLE)
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

async fn respond(request: Request<Incoming>, webhook: &Webhook) -> Response<Full<Bytes>> {
    let path = request.uri().path().to_owned();
    match (request.method(), path.as_str()) {
        (&Method::GET, "/healthz") => response(StatusCode::OK, "text/plain", "ok\n".to_owned()),
        (&Method::POST, PODS | OBJECTS) => review(request, &path, webhook).await,
        _ => response(StatusCode::NOT_FOUND, "text/plain", format!("there is nothing at {path}\n")),
    }
}

async fn review(request: Request<Incoming>, path: &str, webhook: &Webhook) -> Response<Full<Bytes>> {
    let body = Limited::new(request.into_body(), LARGEST).collect();
    let body = match tokio::time::timeout(BODY, body).await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(error)) => return response(StatusCode::PAYLOAD_TOO_LARGE, "text/plain", format!("{error}\n")),
        Err(_) => {
            return response(
                StatusCode::REQUEST_TIMEOUT,
                "text/plain",
                "the body does not come\n".to_owned(),
            );
        }
    };
    match webhook.answer(path, &body).await {
        Ok(answer) => response(StatusCode::OK, "application/json", answer.to_string()),
        Err(problem) => response(StatusCode::BAD_REQUEST, "text/plain", format!("{problem}\n")),
    }
}

fn response(status: StatusCode, kind: &str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    if let Ok(kind) = kind.parse() {
        response.headers_mut().insert(http::header::CONTENT_TYPE, kind);
    }
    response
}
