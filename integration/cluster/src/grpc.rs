//! As much of gRPC and of its messages as a test needs that plays somebody who speaks it.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use h2::SendStream;
use h2::server::SendResponse;
use http::{HeaderMap, Request, Response};
use tokio::net::UnixStream;

/// A field of protobuf that holds bytes.
pub fn field(number: u8, bytes: impl AsRef<[u8]>) -> Vec<u8> {
    let bytes = bytes.as_ref();
    let (mut out, mut length) = (vec![number << 3 | 2], bytes.len());
    loop {
        let [low, ..] = length.to_le_bytes();
        length >>= 7;
        out.push(low & 0x7f | if length > 0 { 0x80 } else { 0 });
        if length == 0 {
            break;
        }
    }
    out.extend_from_slice(bytes);
    out
}

/// The fields of a message that has such fields only, none of them longer than 127 bytes; as far as it is one.
pub(crate) fn fields(message: &[u8]) -> Vec<(u8, &[u8])> {
    let (mut rest, mut found) = (message, Vec::new());
    while let [key, length, after @ ..] = rest
        && let Some((value, after)) = after.split_at_checked(usize::from(*length))
    {
        found.push((key >> 3, value));
        rest = after;
    }
    found
}

/// A message with its head: not compressed, and so long.
fn framed(message: &[u8]) -> Bytes {
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
    [&[0][..], &length.to_be_bytes(), message].concat().into()
}

/// Answers a call with this message and this status; without a message there is none.
pub fn answer(respond: SendResponse<Bytes>, message: Option<&[u8]>, status: &str) -> Result<()> {
    let mut stream = begin(respond)?;
    if let Some(message) = message {
        say(&mut stream, message)?;
    }
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", status.parse()?);
    stream.send_trailers(trailers).context("end an answer")
}

/// Begins an answer that has several messages.
pub(crate) fn begin(mut respond: SendResponse<Bytes>) -> Result<SendStream<Bytes>> {
    let head = Response::builder().header("content-type", "application/grpc").body(())?;
    respond.send_response(head, false).context("begin an answer")
}

/// One message of an answer.
pub(crate) fn say(stream: &mut SendStream<Bytes>, message: &[u8]) -> Result<()> {
    stream.send_data(framed(message), false).context("send a message")
}

/// Tells whoever listens something to which the answer is that it was heard.
pub(crate) async fn tell(socket: &Path, method: &str, message: &[u8]) -> Result<()> {
    let (mut client, connection) = h2::client::handshake(UnixStream::connect(socket).await?).await?;
    let told = async {
        let request = Request::post(format!("http://localhost{method}"));
        let request = request.header("content-type", "application/grpc").header("te", "trailers").body(())?;
        let (response, mut body) = client.send_request(request, false)?;
        body.send_data(framed(message), true)?;
        let (head, mut body) = response.await?.into_parts();
        while let Some(part) = body.data().await {
            body.flow_control().release_capacity(part?.len())?;
        }
        // A refusal comes without a body, and then in the head.
        let trailers = body.trailers().await?.unwrap_or(head.headers);
        ensure!(trailers.get("grpc-status").is_some_and(|code| code == "0"), "{method}: {trailers:?}");
        Ok(())
    };
    tokio::select! {
        told = told => told,
        ended = connection => ended.context("the connection ended"),
    }
}
