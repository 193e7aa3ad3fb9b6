//! The agent's socket: one line in, one line out. A plugin that has nothing left to hand out says `want POOL N [MS]`, and hears
//! within MS milliseconds `granted EPOCH`, or `none WHY`. One whose pod may have an address of a sticky pool on another node says
//! `pin POOL OWNER [MS]`, and hears `pinned EPOCH` when that is here, `unpinned EPOCH` when there is none, or `none WHY`. One whose rails are the pod's devices says `devices NAMESPACE NAME UID`
//! (a UID that it does not know is `-`), and hears `devices RESOURCE=ID,ID RESOURCE=ID`, or `none WHY`.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::oneshot;

use crate::kubelet::{self, Pod};

/// A line is short; the names of Kubernetes have 253 characters at most.
const LONGEST: u64 = 768;
/// How long a plugin may take to say what it wants.
const HEARD: Duration = Duration::from_secs(2);
/// How long a plugin is let wait at most, whatever it says.
const PATIENCE: Duration = Duration::from_secs(30);
/// More addresses than a pod has interfaces.
const MOST: u64 = 64;

/// Addresses that a pod waits for.
#[derive(Debug)]
pub(crate) struct AddressRequest {
    pub(crate) pool: String,
    pub(crate) count: u64,
    /// The pod waits for the address that this owner had, and for none besides.
    pub(crate) owner: Option<String>,
    /// How long it does.
    pub(crate) patience: Duration,
    /// One line; whoever asks may be gone by then.
    pub(crate) answer: oneshot::Sender<String>,
}

/// Makes the socket, for root only, in the place of an earlier life's.
pub(crate) fn bind(path: &Path) -> Result<UnixListener, String> {
    let problem = |error: std::io::Error| format!("socket {}: {error}", path.display());
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(problem(error)),
        _ => (),
    }
    let listener = UnixListener::bind(path).map_err(problem)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).map_err(problem)?;
    Ok(listener)
}

/// Who answers.
pub(crate) struct Answerers {
    pub(crate) grants: UnboundedSender<AddressRequest>,
    pub(crate) devices: UnboundedSender<kubelet::Question>,
}

#[derive(Debug, PartialEq)]
enum Question {
    Want { pool: String, count: u64, patience: Duration },
    Pin { pool: String, owner: String, patience: Duration },
    Devices(Pod),
}

impl Answerers {
    /// Hands a question on; none if nobody listens any more.
    fn ask(&self, question: Question) -> Option<oneshot::Receiver<String>> {
        let (answer, answered) = oneshot::channel();
        let asked = match question {
            Question::Want { pool, count, patience } => {
                let owner = None;
                self.grants.send(AddressRequest { pool, count, owner, patience, answer }).is_ok()
            }
            Question::Pin { pool, owner, patience } => {
                let (count, owner) = (0, Some(owner));
                self.grants.send(AddressRequest { pool, count, owner, patience, answer }).is_ok()
            }
            Question::Devices(pod) => self.devices.send((pod, answer)).is_ok(),
        };
        asked.then_some(answered)
    }
}

/// Hands on what plugins ask, until nobody listens any more.
pub(crate) async fn serve(listener: UnixListener, answerers: Answerers) {
    let answerers = Rc::new(answerers);
    while !answerers.grants.is_closed() {
        match listener.accept().await {
            Ok((stream, _)) => {
                tokio::task::spawn_local(converse(stream, Rc::clone(&answerers)));
            }
            Err(error) => {
                eprintln!("raild: socket: {error}");
                tokio::time::sleep(HEARD).await;
            }
        }
    }
}

async fn converse(stream: UnixStream, answerers: Rc<Answerers>) {
    let (read, mut write) = stream.into_split();
    let mut line = String::new();
    let mut limited = BufReader::new(read).take(LONGEST);
    let heard = tokio::time::timeout(HEARD, limited.read_line(&mut line)).await;
    let reply = match (heard, parse(&line)) {
        (Ok(Ok(_)), Some(question)) => {
            let gone = async {
                // Whoever asked hangs up, and does not wait any more.
                let mut rest = [0];
                let _ = limited.get_mut().read(&mut rest).await;
            };
            match answerers.ask(question) {
                None => None,
                Some(answered) => tokio::select! {
                    answer = answered => answer.ok(),
                    () = gone => None,
                },
            }
        }
        _ => Some(
            "error expected: want POOL N MS, pin POOL OWNER MS, or devices NAMESPACE NAME UID".to_owned(),
        ),
    };
    if let Some(reply) = reply {
        let _ = write.write_all(format!("{reply}\n").as_bytes()).await;
    }
}

fn parse(line: &str) -> Option<Question> {
    let words = line.strip_suffix('\n')?.split(' ').collect::<Vec<_>>();
    match words.as_slice() {
        ["want", pool, count] => want(pool, count, None),
        ["want", pool, count, patience] => want(pool, count, Some(*patience)),
        ["pin", pool, owner] => pin(pool, owner, None),
        ["pin", pool, owner, patience] => pin(pool, owner, Some(*patience)),
        ["devices", namespace, name, uid] if ![namespace, name, uid].iter().any(|word| word.is_empty()) => {
            let uid = (*uid != "-").then(|| (*uid).to_owned());
            Some(Question::Devices(Pod { namespace: (*namespace).to_owned(), name: (*name).to_owned(), uid }))
        }
        _ => None,
    }
}

fn want(pool: &str, count: &str, patience: Option<&str>) -> Option<Question> {
    let count = count.parse().ok().filter(|count| (1..=MOST).contains(count))?;
    let patience = patient(patience)?;
    (!pool.is_empty()).then(|| Question::Want { pool: pool.to_owned(), count, patience })
}

/// An owner is one entry of a list in the node's object.
fn pin(pool: &str, owner: &str, patience: Option<&str>) -> Option<Question> {
    let patience = patient(patience)?;
    let is_one = !owner.is_empty() && !owner.contains([';', '=']);
    (is_one && !pool.is_empty()).then(|| Question::Pin {
        pool: pool.to_owned(),
        owner: owner.to_owned(),
        patience,
    })
}

fn patient(text: Option<&str>) -> Option<Duration> {
    let patience = text.map_or(Some(PATIENCE), |text| text.parse().ok().map(Duration::from_millis))?;
    Some(patience.min(PATIENCE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_says_what_is_wanted() {
        let seconds = |count| Duration::from_secs(count);
        let want = |patience| Some(Question::Want { pool: "gpu-rail1".to_owned(), count: 8, patience });
        assert_eq!(parse("want gpu-rail1 8\n"), want(PATIENCE));
        assert_eq!(parse("want gpu-rail1 8 9000\n"), want(seconds(9)));
        assert_eq!(parse("want gpu-rail1 8 99000\n"), want(PATIENCE));
    }

    #[test]
    fn an_owner_says_which_address_he_waits_for() {
        let (pool, owner) = ("gpu-rail1".to_owned(), "ai/train-0/net1".to_owned());
        let pin = Question::Pin { pool, owner, patience: Duration::from_secs(9) };
        assert_eq!(parse("pin gpu-rail1 ai/train-0/net1 9000\n"), Some(pin));
    }

    #[test]
    fn a_pod_is_named_with_its_uid_or_without() {
        let pod = |uid: Option<&str>| {
            let (namespace, name) = ("ai".to_owned(), "train-0".to_owned());
            Some(Question::Devices(Pod { namespace, name, uid: uid.map(str::to_owned) }))
        };
        assert_eq!(parse("devices ai train-0 12-ab\n"), pod(Some("12-ab")));
        assert_eq!(parse("devices ai train-0 -\n"), pod(None));
    }

    #[test]
    fn anything_else_is_no_wish() {
        for line in [
            "",
            "\n",
            "want\n",
            "want a\n",
            "want a 0\n",
            "want a 65\n",
            "want a -1\n",
            "want a 1 b\n",
            "want a 1 -1\n",
            "want a 1 1 1\n",
            "take a 1\n",
            "want  1\n",
            "want a 1",
            "devices\n",
            "devices a\n",
            "devices a b\n",
            "devices a  c\n",
            "devices a b c d\n",
            "devices a b c",
            "pin\n",
            "pin a\n",
            "pin a  1\n",
            "pin  b 1\n",
            "pin a b;c 1\n",
            "pin a b=c 1\n",
            "pin a b -1\n",
            "pin a b 1 1\n",
        ] {
            assert_eq!(parse(line), None, "{line:?}");
        }
    }
}
