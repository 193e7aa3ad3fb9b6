use std::path::PathBuf;

use tempfile::TempDir;
use tokio::net::UnixListener;

use super::*;

const PATIENCE: Duration = Duration::from_secs(20);

/// What a server does with a call.
#[derive(Clone, Copy)]
struct Behaviour {
    http: u16,
    body: &'static [u8],
    status: Option<&'static str>,
}

const GOOD: Behaviour = Behaviour { http: 200, body: b"\0\0\0\0\x02hi", status: Some("0") };

/// A server that behaves so to one call, and what was heard.
fn asked(behaviour: Behaviour) -> Result<Vec<u8>, Unanswered> {
    with_server(move |listener| async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut connection = h2::server::handshake(stream).await.unwrap();
        let (request, mut respond) = connection.accept().await.unwrap().unwrap();
        assert_eq!((request.uri().path(), request.headers()["te"].as_bytes()), ("/a.B/C", &b"trailers"[..]));
        let response = http::Response::builder().status(behaviour.http).body(()).unwrap();
        let mut body = respond.send_response(response, false).unwrap();
        body.send_data(Bytes::from_static(behaviour.body), false).unwrap();
        let mut trailers = HeaderMap::new();
        if let Some(status) = behaviour.status {
            trailers.insert("grpc-status", status.parse().unwrap());
            trailers.insert("grpc-message", "why".parse().unwrap());
        }
        body.send_trailers(trailers).unwrap();
        while connection.accept().await.is_some() {}
    })
}

fn with_server<F: Future<Output = ()>>(serve: impl FnOnce(UnixListener) -> F) -> Result<Vec<u8>, Unanswered> {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("sock");
    run(async {
        let served = serve(UnixListener::bind(&path).unwrap());
        tokio::select! {
            answer = ask(&path, "/a.B/C", PATIENCE) => answer,
            () = async { served.await; std::future::pending().await } => unreachable!(),
        }
    })
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

#[test]
fn a_message_comes_whole_or_not_at_all() {
    assert_eq!(asked(GOOD), Ok(b"hi".to_vec()));
    assert_eq!(asked(Behaviour { body: b"\0\0\0\0\0", ..GOOD }), Ok(Vec::new()));
    for body in [&b""[..], b"\0\0\0\0", b"\0\0\0\0\x03hi", b"\0\0\0\0\x01hi", b"\x01\0\0\0\x02hi"] {
        assert_eq!(asked(Behaviour { body, ..GOOD }), Err(garbled()), "{body:?}");
    }
    assert_eq!(asked(Behaviour { status: None, ..GOOD }), Err(garbled()));
}

#[test]
fn how_a_call_failed_is_told_apart() {
    let of = |status| asked(Behaviour { status: Some(status), ..GOOD });
    assert_eq!(of("12"), Err(Unanswered::Unimplemented));
    assert_eq!(of("8"), Err(Unanswered::Busy("why".to_owned())));
    assert_eq!(of("14"), Err(Unanswered::Busy("why".to_owned())));
    assert_eq!(of("7"), Err(Unanswered::Failed("gRPC status 7: why".to_owned())));
    let http = asked(Behaviour { http: 503, ..GOOD });
    assert!(matches!(http, Err(Unanswered::Failed(why)) if why.contains("503")));
}

#[test]
fn who_is_not_there_who_refuses_and_who_speaks_otherwise() {
    let ask = |path: PathBuf| run(ask(&path, "/a.B/C", PATIENCE));
    let dir = TempDir::new().unwrap();
    assert_eq!(ask(dir.path().join("none")), Err(Unanswered::NoSocket));
    let dead = dir.path().join("dead");
    drop(std::os::unix::net::UnixListener::bind(&dead).unwrap());
    assert!(matches!(ask(dead), Err(Unanswered::Failed(why)) if why.contains("refused")));
    let garbage = with_server(|listener| async move {
        let (stream, _) = listener.accept().await.unwrap();
        stream.writable().await.unwrap();
        stream.try_write(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
        std::future::pending::<()>().await;
    });
    assert!(matches!(garbage, Err(Unanswered::Failed(why)) if why.contains("speaks no gRPC")));
    let gone = with_server(|listener| async move { drop(listener.accept().await.unwrap()) });
    assert!(matches!(gone, Err(Unanswered::Failed(_))));
}

#[test]
fn who_hangs_is_left() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("sock");
    let _listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let answer = run(ask(&path, "/a.B/C", Duration::from_millis(100)));
    assert!(matches!(answer, Err(Unanswered::Failed(why)) if why.starts_with("no answer within")));
}
