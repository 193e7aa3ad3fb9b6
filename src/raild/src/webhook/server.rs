//! HTTP over TLS. Whoever reaches the port may be anybody: connections are counted, handshakes and bodies have deadlines and limits.

use std::convert::Infallible;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Body as _, Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use super::Webhook;
use super::keys::Serving;
use super::registration::{OBJECTS, PODS};
use super::room::{Room, Size, most};

const CONNECTIONS: usize = 256;
const HANDSHAKE: Duration = Duration::from_secs(5);
/// Longer than an API server keeps a connection that it does not use, so that it is never cut under a request.
const IDLE: Duration = Duration::from_secs(120);
/// Of the lines before a body, of each connection.
const HEADERS: usize = 64 << 10;
/// To find a place, and again for the body to come.
const BODY: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(100);

/// Serves for ever.
pub(crate) async fn serve(listener: TcpListener, serving: Serving, webhook: Rc<Webhook>) {
    let (free, room) = (Arc::new(Semaphore::new(CONNECTIONS)), Rc::new(Room::new()));
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
        let (serving, webhook, room) = (serving.clone(), webhook.clone(), room.clone());
        tokio::task::spawn_local(async move {
            connection(stream, &serving, webhook, room).await;
            drop(place);
        });
    }
}

/// What goes wrong with a connection is its client's business, and in the API server's log.
async fn connection(stream: TcpStream, serving: &Serving, webhook: Rc<Webhook>, room: Rc<Room>) {
    let acceptor = serving.borrow().clone();
    let Some(acceptor) = acceptor else { return };
    let Ok(Ok(stream)) = tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await else { return };
    let service = service_fn(move |request| {
        let (webhook, room) = (webhook.clone(), room.clone());
        async move { Ok::<_, Infallible>(respond(request, &webhook, &room).await) }
    });
    let mut http = http1::Builder::new();
    let _ = http
        .timer(TokioTimer::new())
        .header_read_timeout(IDLE)
        .max_buf_size(HEADERS)
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

async fn respond(request: Request<Incoming>, webhook: &Webhook, room: &Room) -> Response<Full<Bytes>> {
    let path = request.uri().path().to_owned();
    match (request.method(), path.as_str()) {
        (&Method::GET, "/healthz") => response(StatusCode::OK, "text/plain", "ok\n".to_owned()),
        (&Method::POST, PODS | OBJECTS) => review(request, &path, webhook, room).await,
        _ => response(StatusCode::NOT_FOUND, "text/plain", format!("there is nothing at {path}\n")),
    }
}

async fn review(
    request: Request<Incoming>,
    path: &str,
    webhook: &Webhook,
    room: &Room,
) -> Response<Full<Bytes>> {
    let refused = |status, problem: String| response(status, "text/plain", format!("{problem}\n"));
    let Some(size) = Size::of(path, request.body().size_hint().exact()) else {
        return refused(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("no review is longer than {} bytes", most(path)),
        );
    };
    // Before the body is read, and until it is answered.
    let Ok(Some(_place)) = tokio::time::timeout(BODY, room.enter(size)).await else {
        return refused(StatusCode::SERVICE_UNAVAILABLE, "too many reviews at once: try again".to_owned());
    };
    let most = usize::try_from(most(path)).unwrap_or(usize::MAX);
    let body = Limited::new(request.into_body(), most).collect();
    let body = match tokio::time::timeout(BODY, body).await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(error)) => return refused(StatusCode::PAYLOAD_TOO_LARGE, error.to_string()),
        Err(_) => return refused(StatusCode::REQUEST_TIMEOUT, "the body does not come".to_owned()),
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
