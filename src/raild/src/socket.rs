//! The agent's socket: a plugin that has nothing left to hand out says `want POOL N [MS]`, one line, and gets one line back,
//! within MS milliseconds: `granted EPOCH`, or `none WHY`.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::oneshot;

/// A line is short.
const LONGEST: u64 = 512;
/// How long a plugin may take to say what it wants.
const HEARD: Duration = Duration::from_secs(2);
/// How long a plugin is let wait at most, whatever it says.
const PATIENCE: Duration = Duration::from_secs(30);
/// More addresses than a pod has interfaces.
const MOST: u64 = 64;

/// A pod that waits.
#[derive(Debug)]
pub(crate) struct Want {
    pub(crate) pool: String,
    pub(crate) count: u64,
    /// How long he does.
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

/// Hands on what plugins want, until nobody listens any more.
pub(crate) async fn serve(listener: UnixListener, tell: UnboundedSender<Want>) {
    let tell = Rc::new(tell);
    while !tell.is_closed() {
        match listener.accept().await {
            Ok((stream, _)) => {
                tokio::task::spawn_local(converse(stream, Rc::clone(&tell)));
            }
            Err(error) => {
                eprintln!("raild: socket: {error}");
                tokio::time::sleep(HEARD).await;
            }
        }
    }
}

async fn converse(stream: UnixStream, tell: Rc<UnboundedSender<Want>>) {
    let (read, mut write) = stream.into_split();
    let mut line = String::new();
    let mut limited = BufReader::new(read).take(LONGEST);
    let heard = tokio::time::timeout(HEARD, limited.read_line(&mut line)).await;
    let reply = match (heard, parse(&line)) {
        (Ok(Ok(_)), Some((pool, count, patience))) => {
            let (answer, answered) = oneshot::channel();
            let asked = tell.send(Want { pool, count, patience, answer });
            let gone = async {
                // Whoever asked hangs up, and does not wait any more.
                let mut rest = [0];
                let _ = limited.get_mut().read(&mut rest).await;
            };
            tokio::select! {
                answer = answered => answer.ok().filter(|_| asked.is_ok()),
                () = gone => None,
            }
        }
        _ => Some("error expected: want POOL N MS".to_owned()),
    };
    if let Some(reply) = reply {
        let _ = write.write_all(format!("{reply}\n").as_bytes()).await;
    }
}

fn parse(line: &str) -> Option<(String, u64, Duration)> {
    let mut words = line.strip_suffix('\n')?.split(' ');
    let (verb, pool, count) = (words.next()?, words.next()?, words.next()?);
    let (patience, end) = (words.next(), words.next());
    let count = count.parse().ok().filter(|count| (1..=MOST).contains(count))?;
    let patience = patience.map_or(Some(PATIENCE), |text| text.parse().ok().map(Duration::from_millis))?;
    let is_wish = verb == "want" && !pool.is_empty() && end.is_none();
    is_wish.then(|| (pool.to_owned(), count, patience.min(PATIENCE)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_says_what_is_wanted() {
        let seconds = |count| Duration::from_secs(count);
        let pool = || "gpu-rail1".to_owned();
        assert_eq!(parse("want gpu-rail1 8\n"), Some((pool(), 8, PATIENCE)));
        assert_eq!(parse("want gpu-rail1 8 9000\n"), Some((pool(), 8, seconds(9))));
        assert_eq!(parse("want gpu-rail1 8 99000\n"), Some((pool(), 8, PATIENCE)));
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
        ] {
            assert_eq!(parse(line), None, "{line:?}");
        }
    }
}
