//! The wire between some processes and the API server, which may be cut: nothing passes, and nobody is told.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread;
use std::time::Duration;

use cluster::Api;
use serde_json::Value;
use testkit::pause;

const OPEN: u8 = 0;
const CUT: u8 = 1;
const OVER: u8 = 2;
/// How soon a pump notices that the cable has been cut, or is one again.
const GLANCE: Duration = Duration::from_millis(20);

/// Whoever has its kubeconfig reaches the API server through it.
pub(crate) struct Cable {
    state: Arc<AtomicU8>,
    pub(crate) kubeconfig: PathBuf,
}

impl Cable {
    pub(crate) fn lay(api: &Api) -> Self {
        let url = api.url();
        let server: SocketAddr = url.strip_prefix("https://").unwrap().parse().unwrap();
        // Of the same address, which is the one that the server's certificate is for.
        let listener = TcpListener::bind((server.ip(), 0)).unwrap();
        let kubeconfig = api.dir().join("cable.kubeconfig");
        write_kubeconfig(api, &kubeconfig, &format!("https://{}", listener.local_addr().unwrap()));
        let state = Arc::new(AtomicU8::new(OPEN));
        let own = state.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                match (own.load(Ordering::Relaxed), stream) {
                    (OVER, _) => return,
                    (_, Ok(stream)) => splice(&own, stream, server),
                    (_, Err(_)) => {}
                }
            }
        });
        Self { state, kubeconfig }
    }

    /// Nothing passes any more, in no direction; connections stay as they are.
    pub(crate) fn cut(&self) {
        self.state.store(CUT, Ordering::Relaxed);
    }

    /// What was sent meanwhile arrives.
    pub(crate) fn mend(&self) {
        self.state.store(OPEN, Ordering::Relaxed);
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        self.state.store(OVER, Ordering::Relaxed);
    }
}

/// An administrator's kubeconfig for a server at this URL.
pub(crate) fn write_kubeconfig(api: &Api, path: &std::path::Path, url: &str) {
    let text = std::fs::read_to_string(api.kubeconfig()).unwrap();
    let mut config: Value = serde_json::from_str(&text).unwrap();
    config["clusters"][0]["cluster"]["server"] = url.into();
    state::file::replace_json(path, &config).unwrap();
}

fn splice(state: &Arc<AtomicU8>, client: TcpStream, server: SocketAddr) {
    let Ok(upstream) = TcpStream::connect(server) else { return };
    let ends = [(client.try_clone(), upstream.try_clone()), (Ok(upstream), Ok(client))];
    for (from, to) in ends {
        let (Ok(from), Ok(to)) = (from, to) else { return };
        let state = state.clone();
        thread::spawn(move || pump(&state, from, to));
    }
}

/// Until either end is closed, or the test is over.
fn pump(state: &AtomicU8, mut from: TcpStream, mut to: TcpStream) {
    let mut part = vec![0; 1 << 16];
    if from.set_read_timeout(Some(GLANCE)).is_err() {
        return;
    }
    loop {
        match state.load(Ordering::Relaxed) {
            OVER => break,
            CUT => {
                pause(GLANCE);
                continue;
            }
            _ => {}
        }
        match from.read(&mut part) {
            Ok(0) => break,
            Ok(length) => {
                if to.write_all(&part[..length]).is_err() {
                    break;
                }
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(_) => break,
        }
    }
    let _ = to.shutdown(std::net::Shutdown::Both);
}

/// Loopback, wherever a test serves for itself alone.
pub(crate) const LOOPBACK: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
