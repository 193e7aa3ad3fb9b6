//! A server of gRPC on a unix socket, and messages for it.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use cluster::grpc::answer;
pub(crate) use cluster::grpc::field;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::oneshot;

/// What is answered to a call.
#[derive(Clone)]
pub(crate) enum Reply {
    Message(Vec<u8>),
    /// A status of gRPC, by its number.
    Status(&'static str),
    Silence,
}

/// Serves until it is dropped; its socket goes with it.
pub(crate) struct Server {
    path: PathBuf,
    reply: Arc<Mutex<Reply>>,
    called: Arc<Mutex<Vec<String>>>,
    end: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    pub(crate) fn start(path: &Path, reply: Reply) -> Self {
        let (end, ended) = oneshot::channel();
        let (reply, called) = (Arc::new(Mutex::new(reply)), Arc::default());
        let site = (Arc::clone(&reply), Arc::clone(&called));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        // Whoever asks next finds it.
        let listener = std::os::unix::net::UnixListener::bind(path).unwrap();
        listener.set_nonblocking(true).unwrap();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                tokio::select! {
                    () = serve(UnixListener::from_std(listener).unwrap(), site) => (),
                    _ = ended => (),
                }
            });
        });
        Self { path: path.to_owned(), reply, called, end: Some(end), thread: Some(thread) }
    }

    /// From the next call on.
    pub(crate) fn reply(&self, reply: Reply) {
        *self.reply.lock().unwrap() = reply;
    }

    pub(crate) fn called(&self) -> Vec<String> {
        self.called.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.end.take());
        let _ = self.thread.take().map(JoinHandle::join);
        let _ = std::fs::remove_file(&self.path);
    }
}

type Site = (Arc<Mutex<Reply>>, Arc<Mutex<Vec<String>>>);

async fn serve(listener: UnixListener, site: Site) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        tokio::spawn(talk(stream, site.clone()));
    }
}

async fn talk(stream: UnixStream, (reply, called): Site) {
    // Who only looks whether somebody listens says nothing.
    let Ok(mut connection) = h2::server::handshake(stream).await else { return };
    let mut silent = Vec::new();
    while let Some(Ok((request, respond))) = connection.accept().await {
        called.lock().unwrap().push(request.uri().path().to_owned());
        let now = reply.lock().unwrap().clone();
        match now {
            Reply::Message(message) => answer(respond, Some(&message), "0").unwrap(),
            Reply::Status(code) => answer(respond, None, code).unwrap(),
            Reply::Silence => silent.push(respond),
        }
    }
}
