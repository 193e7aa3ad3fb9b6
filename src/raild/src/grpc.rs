//! One question of gRPC on a unix socket: what kubelet and container runtimes speak. Each has its own connection, so that one
//! who was restarted is found again.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use h2::RecvStream;
use http::{HeaderMap, Request};
use tokio::net::UnixStream;

/// As kubelet's own clients have it.
const LONGEST: usize = 16 << 20;
/// Of a message: whether it is compressed, and its length.
const HEAD: usize = 5;

/// How a question ended that got no answer.
#[derive(Debug, PartialEq)]
pub(crate) enum Unanswered {
    /// Nothing is at the path.
    NoSocket,
    /// Not served there.
    Unimplemented,
    /// Whoever listens has too much to do, or has not begun.
    Busy(String),
    /// Silence, refusal, or an error.
    Failed(String),
}

impl std::fmt::Display for Unanswered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoSocket => f.write_str("there is no socket"),
            Self::Unimplemented => f.write_str("it does not serve that"),
            Self::Busy(why) | Self::Failed(why) => f.write_str(why),
        }
    }
}

/// The message that a method answers when it is told nothing, within a time.
pub(crate) async fn ask(socket: &Path, method: &str, patience: Duration) -> Result<Vec<u8>, Unanswered> {
    if !socket.exists() {
        return Err(Unanswered::NoSocket);
    }
    let silent = |_| Unanswered::Failed(format!("no answer within {:.0} s", patience.as_secs_f64()));
    tokio::time::timeout(patience, converse(socket, method)).await.map_err(silent)?
}

async fn converse(socket: &Path, method: &str) -> Result<Vec<u8>, Unanswered> {
    let refused = |error: std::io::Error| Unanswered::Failed(error.to_string());
    let stream = UnixStream::connect(socket).await.map_err(refused)?;
    let (mut client, connection) = h2::client::handshake(stream).await.map_err(|error| broken(&error))?;
    let answer = async {
        let request = Request::post(format!("http://localhost{method}"));
        let request = request.header("content-type", "application/grpc").header("te", "trailers").body(());
        let request = request.map_err(|error| Unanswered::Failed(error.to_string()))?;
        let (response, mut body) = client.send_request(request, false).map_err(|error| broken(&error))?;
        body.send_data(Bytes::from_static(&[0; HEAD]), true).map_err(|error| broken(&error))?;
        let (head, body) = response.await.map_err(|error| broken(&error))?.into_parts();
        if !head.status.is_success() {
            return Err(Unanswered::Failed(format!("HTTP status {}", head.status)));
        }
        // An error may come without a body.
        status(&head.headers).unwrap_or(Ok(()))?;
        read(body).await
    };
    let carried = async {
        // Its end is noticed by the answer, which may be there already.
        let _ = connection.await;
        std::future::pending().await
    };
    tokio::select! {
        answer = answer => answer,
        never = carried => never,
    }
}

async fn read(mut body: RecvStream) -> Result<Vec<u8>, Unanswered> {
    let mut bytes = Vec::new();
    while let Some(part) = body.data().await {
        let part = part.map_err(|error| broken(&error))?;
        if bytes.len() + part.len() > LONGEST {
            return Err(Unanswered::Failed(format!("its answer is longer than {LONGEST} bytes")));
        }
        bytes.extend_from_slice(&part);
        body.flow_control().release_capacity(part.len()).map_err(|error| broken(&error))?;
    }
    let trailers = body.trailers().await.map_err(|error| broken(&error))?;
    status(&trailers.unwrap_or_default()).unwrap_or_else(|| Err(garbled()))?;
    message(bytes).ok_or_else(garbled)
}

/// One, uncompressed and whole.
fn message(mut bytes: Vec<u8>) -> Option<Vec<u8>> {
    let (head, body) = bytes.split_first_chunk::<HEAD>()?;
    let [0, length @ ..] = head else { return None };
    (usize::try_from(u32::from_be_bytes(*length)) == Ok(body.len())).then(|| bytes.split_off(HEAD))
}

/// How the call ended by its headers, if they say it.
fn status(headers: &HeaderMap) -> Option<Result<(), Unanswered>> {
    let said = |name: &str| Some(String::from_utf8_lossy(headers.get(name)?.as_bytes()).into_owned());
    let why = || said("grpc-message").unwrap_or_else(|| "it said no more".to_owned());
    Some(match said("grpc-status")?.as_str() {
        "0" => Ok(()),
        "12" => Err(Unanswered::Unimplemented),
        "8" | "14" => Err(Unanswered::Busy(why())),
        code => Err(Unanswered::Failed(format!("gRPC status {code}: {}", why()))),
    })
}

fn broken(error: &h2::Error) -> Unanswered {
    Unanswered::Failed(format!("it speaks no gRPC: {error}"))
}

fn garbled() -> Unanswered {
    Unanswered::Failed("its answer is no whole message of gRPC".to_owned())
}

#[cfg(test)]
mod tests;
