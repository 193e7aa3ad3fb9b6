//! Where Prometheus scrapes: HTTP with one path, if `RAILD_METRICS_LISTEN` says where. Whoever reaches the port may be anybody, and reads
//! what he would read of the kernel; connections are counted, and have a deadline.

mod places;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use http::{Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use metrics::Family;
use tokio::net::{TcpListener, TcpStream};

use places::{Place, Places};

const LISTEN: &str = "RAILD_METRICS_LISTEN";
/// For the first request.
const FIRST: Duration = Duration::from_secs(5);
/// Longer than scrapes are apart.
const IDLE: Duration = Duration::from_secs(120);
/// Of a connection: who reads nothing of what he has asked for must not keep his place for ever.
const LIFE: Duration = Duration::from_secs(600);
const PAUSE: Duration = Duration::from_millis(100);

/// Listens; nothing where the environment says nothing.
pub(crate) async fn bind() -> Result<Option<TcpListener>, String> {
    let Some(text) = std::env::var(LISTEN).ok().filter(|text| !text.is_empty()) else { return Ok(None) };
    let address: SocketAddr = text.parse().map_err(|_| {
        format!("{LISTEN} is {text:?}: write ADDRESS:PORT, such as 127.0.0.1:9617 or [::]:9617")
    })?;
    let problem = |error| format!("{LISTEN}: listen on {address}: {error}");
    let listener = TcpListener::bind(address).await.map_err(problem)?;
    let address = listener.local_addr().map_err(problem)?;
    eprintln!("raild: metrics at http://{address}/metrics");
    Ok(Some(listener))
}

/// Answers for ever with what `tell` says at each scrape.
pub(crate) async fn serve<T, F>(listener: TcpListener, tell: T)
where
    T: Fn() -> F + 'static,
    F: Future<Output = Vec<Family>> + 'static,
{
    let (places, tell) = (Rc::new(Places::default()), Rc::new(tell));
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                // No file descriptors, or a client that has gone: neither lasts.
                eprintln!("raild: metrics: accept: {error}");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        let place = places.enter().await;
        tokio::task::spawn_local(connection(stream, place, tell.clone()));
    }
}

/// What goes wrong with a connection is its client's business.
async fn connection<T, F>(stream: TcpStream, place: Place, tell: Rc<T>)
where
    T: Fn() -> F + 'static,
    F: Future<Output = Vec<Family>> + 'static,
{
    let asked = place.requests();
    let service = service_fn(move |request| {
        let (busy, tell) = (asked(), tell.clone());
        async move {
            let response = respond(&request, &*tell).await;
            drop(busy);
            Ok::<_, Infallible>(response)
        }
    });
    let mut http = http1::Builder::new();
    let served = http
        .timer(TokioTimer::new())
        .header_read_timeout(IDLE)
        .serve_connection(TokioIo::new(stream), service);
    let silent = async {
        tokio::time::sleep(FIRST).await;
        if place.has_asked() {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        _ = tokio::time::timeout(LIFE, served) => {}
        () = silent => {}
        () = place.ended() => {}
    }
}

async fn respond<T, F>(request: &Request<Incoming>, tell: &T) -> Response<Full<Bytes>>
where
    T: Fn() -> F,
    F: Future<Output = Vec<Family>>,
{
    if (request.method(), request.uri().path()) != (&Method::GET, "/metrics") {
        return response(StatusCode::NOT_FOUND, "what there is is GET /metrics\n".to_owned());
    }
    match metrics::text(tell().await) {
        Ok(text) => response(StatusCode::OK, text),
        Err(error) => response(StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")),
    }
}

fn response(status: StatusCode, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    let kind = header::HeaderValue::from_static(metrics::CONTENT_TYPE);
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}
