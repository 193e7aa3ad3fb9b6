//! A server before the API server that loses requests and answers, and refuses: what a busy API server does, and what a network does.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use cluster::Api;
use serde_json::json;

use crate::cable::{LOOPBACK, write_kubeconfig};

/// What becomes of one request in so many; primes, so that all of them meet all kinds of requests.
const BUSY: u64 = 7;
const BROKEN: u64 = 11;
const LOST: u64 = 13;
const UNANSWERED: u64 = 17;
const CONFLICT: u64 = 19;

/// Whoever has its kubeconfig has these faults.
pub(crate) struct Faulty {
    proxy: Child,
    shared: Arc<Shared>,
    pub(crate) kubeconfig: PathBuf,
}

struct Shared {
    /// Of `kubectl proxy`, which speaks HTTP without TLS.
    upstream: SocketAddr,
    count: AtomicU64,
    is_well: AtomicBool,
}

impl Faulty {
    pub(crate) fn start(api: &Api) -> Self {
        let mut command = api.kubectl().command();
        let mut proxy = command.args(["proxy", "--port=0"]).stdout(Stdio::piped()).spawn().unwrap();
        let mut said = String::new();
        BufReader::new(proxy.stdout.take().unwrap()).read_line(&mut said).unwrap();
        let upstream = said.trim().rsplit(' ').next().unwrap().parse().unwrap();
        let shared = Arc::new(Shared { upstream, count: AtomicU64::new(0), is_well: AtomicBool::new(false) });
        let listener = TcpListener::bind((LOOPBACK, 0)).unwrap();
        let kubeconfig = api.dir().join("faulty.kubeconfig");
        write_kubeconfig(api, &kubeconfig, &format!("http://{}", listener.local_addr().unwrap()));
        let own = shared.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let own = own.clone();
                thread::spawn(move || own.serve(stream));
            }
        });
        Self { proxy, shared, kubeconfig }
    }

    /// Nothing goes wrong any more.
    pub(crate) fn heal(&self) {
        self.shared.is_well.store(true, Ordering::Relaxed);
    }

    /// How many requests there were.
    pub(crate) fn count(&self) -> u64 {
        self.shared.count.load(Ordering::Relaxed)
    }
}

impl Drop for Faulty {
    fn drop(&mut self) {
        let _ = self.proxy.kill();
        let _ = self.proxy.wait();
    }
}

impl Shared {
    /// One request, and the end of the connection.
    fn serve(&self, client: TcpStream) -> Option<()> {
        let mut reader = BufReader::new(client.try_clone().ok()?);
        let request = Request::read(&mut reader)?;
        let number = self.count.fetch_add(1, Ordering::Relaxed) + 1;
        let is_meant = !self.is_well.load(Ordering::Relaxed) && !request.is_watch();
        let is = |one_in: u64| is_meant && number.is_multiple_of(one_in);
        match () {
            () if is(BUSY) => refuse(client, 429, "TooManyRequests"),
            () if is(BROKEN) => refuse(client, 500, "InternalError"),
            () if is(CONFLICT) && !request.is_read() => refuse(client, 409, "Conflict"),
            // The request never arrives.
            () if is(LOST) => None,
            () => self.pass(client, &request, is(UNANSWERED)),
        }
    }

    fn pass(&self, mut client: TcpStream, request: &Request, is_unanswered: bool) -> Option<()> {
        let mut upstream = TcpStream::connect(self.upstream).ok()?;
        upstream.write_all(&request.bytes).ok()?;
        if is_unanswered {
            // It was done, and nobody hears of it.
            std::io::copy(&mut upstream, &mut std::io::sink()).ok()?;
            return None;
        }
        std::io::copy(&mut upstream, &mut client).ok().map(drop)
    }
}

fn refuse(mut client: TcpStream, code: u16, reason: &str) -> Option<()> {
    let status = json!({"apiVersion": "v1", "kind": "Status", "status": "Failure", "reason": reason, "code": code,
        "message": "a fault of the test"});
    let body = status.to_string();
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {code} {reason}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nRetry-After: 1\r\n\
         Connection: close\r\n\r\n"
    );
    client.write_all(format!("{head}{body}").as_bytes()).ok()
}

/// A request that ends its connection.
struct Request {
    line: String,
    bytes: Vec<u8>,
}

impl Request {
    fn read(reader: &mut BufReader<TcpStream>) -> Option<Self> {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|length| *length > 0)?;
        let (mut head, mut length) = (line.clone(), 0);
        loop {
            let mut header = String::new();
            reader.read_line(&mut header).ok()?;
            if header.trim().is_empty() {
                break;
            }
            let (name, value) = header.split_once(':')?;
            match name.to_ascii_lowercase().as_str() {
                "connection" => continue,
                "content-length" => length = value.trim().parse().ok()?,
                _ => {}
            }
            head.push_str(&header);
        }
        head.push_str("Connection: close\r\n\r\n");
        let mut bytes = head.into_bytes();
        let start = bytes.len();
        bytes.resize(start + length, 0);
        reader.read_exact(&mut bytes[start..]).ok()?;
        Some(Self { line, bytes })
    }

    fn is_watch(&self) -> bool {
        self.line.contains("watch=true")
    }

    fn is_read(&self) -> bool {
        self.line.starts_with("GET ")
    }
}
