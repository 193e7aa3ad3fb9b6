//! What kubelet gave to pods, for plugins that ask: its pod-resources API is asked once for all who ask meanwhile.

mod checkpoint;
mod held;
mod listed;

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::grpc::{self, Unanswered};
pub(crate) use held::Pod;
use held::answer;
use listed::{PodResources, parse};

const LIST: &str = "/v1.PodResourcesLister/List";
/// All that is asked has its answer by then: a plugin waits for ten seconds.
const PATIENCE: Duration = Duration::from_secs(8);
/// kubelet answers a hundred questions a second, and refuses more.
const PAUSE: Duration = Duration::from_millis(100);

/// Somebody who waits for a line.
pub(crate) type Question = (Pod, oneshot::Sender<String>);

/// Answers what comes in, of the kubelet whose files are in the directory.
pub(crate) fn answer_all(directory: PathBuf) -> UnboundedSender<Question> {
    let (ask, asked) = unbounded_channel();
    tokio::task::spawn_local(work(directory, asked));
    ask
}

/// `KUBELET_DIR`, or where kubelet has its files unless `--root-dir` says otherwise.
pub(crate) fn directory() -> PathBuf {
    let named = std::env::var_os("KUBELET_DIR").filter(|name| !name.is_empty());
    named.map_or_else(|| PathBuf::from("/var/lib/kubelet"), PathBuf::from)
}

async fn work(directory: PathBuf, mut asked: UnboundedReceiver<Question>) {
    while let Some(first) = asked.recv().await {
        let mut questions = vec![first];
        while let Ok(question) = asked.try_recv() {
            questions.push(question);
        }
        let listed = list(&directory.join("pod-resources/kubelet.sock")).await;
        let owners = checkpoint::owners(&directory);
        for (pod, teller) in questions {
            let line = match &listed {
                Ok(pods) => answer(pods, &pod, &owners),
                Err(why) => Err(why.clone()),
            };
            // Whoever asked may be gone.
            let _ = teller.send(line.unwrap_or_else(|why| format!("none {}", one_line(&why))));
        }
    }
}

async fn list(socket: &Path) -> Result<Vec<PodResources>, String> {
    let until = Instant::now() + PATIENCE;
    let place = socket.display();
    loop {
        let left = until.saturating_duration_since(Instant::now());
        match grpc::ask(socket, LIST, left).await {
            Ok(message) => {
                return parse(&message)
                    .ok_or_else(|| format!("kubelet at {place} has told something that is no list of pods"));
            }
            Err(Unanswered::Busy(_)) if left > PAUSE => tokio::time::sleep(PAUSE).await,
            Err(Unanswered::NoSocket) => {
                return Err(format!(
                    "kubelet's socket {place} is not there: the agent's pod has to mount kubelet's directory pod-resources \
                     (deploy/raild/agent.yaml), and KUBELET_DIR names another place than /var/lib/kubelet"
                ));
            }
            Err(why) => return Err(format!("kubelet at {place} has not told what it gave to pods: {why}")),
        }
    }
}

/// An answer is one line, and not long.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(1000).collect()
}
