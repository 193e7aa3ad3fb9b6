//! The node's agent, asked which devices kubelet gave to a pod: kubelet tells it, and a plugin speaks no gRPC.

use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use cni::{CniArgs, Error};
use rail_ipam::line;
use state::Dirs;

/// What the agent says fits, for a node with 64 rails.
const LONGEST: usize = 16 << 10;
/// kubelet answers in milliseconds, if it does not start just now.
const PATIENCE: Duration = Duration::from_secs(10);
const BY_HAND: &str = "to do without the agent, name the devices in \"rails\", or give each rail a network of its own with the \
                       annotation k8s.v1.cni.cncf.io/resourceName";

/// A pod as the runtime calls it in `CNI_ARGS`, where nothing of a tenant's comes but its name, which the API server has checked.
#[derive(Debug, PartialEq)]
pub(crate) struct PodName {
    namespace: String,
    name: String,
    uid: Option<String>,
}

/// What a pod holds of one resource: device IDs in natural order.
#[derive(Debug, PartialEq)]
pub(crate) struct PodDevices {
    pub(crate) resource: String,
    pub(crate) devices: Vec<String>,
}

impl PodName {
    /// Words only: whatever else there is would be another question.
    pub(crate) fn of(args: &CniArgs) -> Result<Self, Error> {
        let word = |key: &str, also: &[u8]| -> Result<Option<String>, Error> {
            let Some(value) = args.get(key) else { return Ok(None) };
            let legal = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || also.contains(&byte);
            if value.len() > 253 || !value.bytes().all(legal) {
                return Err(Error::invalid_env(format!(
                    "CNI_ARGS {key}={value:?}: expected a name of Kubernetes, of letters, digits, dots and hyphens"
                )));
            }
            Ok(Some(value.to_owned()))
        };
        match (word("K8S_POD_NAMESPACE", b"")?, word("K8S_POD_NAME", b".")?) {
            (Some(namespace), Some(name)) => Ok(Self { namespace, name, uid: word("K8S_POD_UID", b"")? }),
            _ => Err(Error::invalid_config(
                "devices \"pod\": CNI_ARGS has no K8S_POD_NAMESPACE and K8S_POD_NAME, which the runtime of a Kubernetes node writes, \
                 and nobody else has a kubelet that gives devices: name them in \"rails\"",
            )),
        }
    }

    pub(crate) fn title(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }
}

/// What the pod holds, by natural order of the resources' names.
pub(crate) fn ask(pod: &PodName) -> Result<Vec<PodDevices>, Error> {
    let dirs = Dirs::from_env().map_err(attach::Error::from)?;
    let socket = line::socket(&dirs).map_err(attach::Error::from)?;
    let uid = pod.uid.as_deref().unwrap_or("-");
    let question = format!("devices {} {} {uid}", pod.namespace, pod.name);
    let said = line::ask(&socket, &question, LONGEST, Instant::now() + PATIENCE);
    heard(pod, &said.map_err(|error| silent(&socket, &error))?)
}

fn silent(socket: &Path, error: &io::Error) -> Error {
    let socket = socket.display();
    let error = match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => Error::try_again(format!(
            "devices \"pod\": no raild agent listens at {socket} ({error}): start it on this node, deploy/raild/agent.yaml does so on all"
        )),
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => Error::try_again(format!(
            "devices \"pod\": raild agent at {socket} did not answer within {} s",
            PATIENCE.as_secs()
        )),
        _ => Error::try_again(format!("devices \"pod\": raild agent at {socket}: {error}")),
    };
    error.with_details(BY_HAND)
}

/// `devices RESOURCE=ID,ID RESOURCE=ID`, or `none WHY`.
fn heard(pod: &PodName, said: &[u8]) -> Result<Vec<PodDevices>, Error> {
    let text = String::from_utf8_lossy(said);
    let (verb, rest) = text.trim_end().split_once(' ').unwrap_or((text.trim_end(), ""));
    let held = match verb {
        "none" => {
            let why = format!("devices \"pod\", pod {}: {rest}", pod.title());
            return Err(Error::try_again(why).with_details(BY_HAND));
        }
        "devices" if said.ends_with(b"\n") => rest.split(' ').map(one).collect::<Option<Vec<_>>>(),
        _ => None,
    };
    held.filter(|held| !held.is_empty()).ok_or_else(|| {
        let shown: String = text.chars().take(200).collect();
        Error::try_again(format!(
            "devices \"pod\": raild agent said {shown:?}, which is none of its answers: is it of this version?"
        ))
    })
}

fn one(word: &str) -> Option<PodDevices> {
    let (resource, devices) = word.split_once('=').filter(|(resource, _)| !resource.is_empty())?;
    let devices: Vec<_> = devices.split(',').map(str::to_owned).collect();
    let are_devices = devices.iter().all(|device| crate::devices::is_device(device));
    are_devices.then(|| PodDevices { resource: resource.to_owned(), devices })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(args: &str) -> Result<PodName, String> {
        PodName::of(&CniArgs::parse(args)).map_err(|error| error.msg.clone())
    }

    #[test]
    fn a_pod_is_named_by_the_runtime() {
        let all = "IgnoreUnknown=1;K8S_POD_NAMESPACE=ai;K8S_POD_NAME=train-0.a;K8S_POD_UID=12-ab";
        let whole = PodName { namespace: "ai".into(), name: "train-0.a".into(), uid: Some("12-ab".into()) };
        assert_eq!(pod(all), Ok(whole));
        assert_eq!(pod("K8S_POD_NAMESPACE=ai;K8S_POD_NAME=a").unwrap().uid, None);
        assert!(pod("K8S_POD_NAME=a").unwrap_err().contains("name them in \"rails\""));
    }

    /// One question is one line of four words.
    #[test]
    fn no_name_asks_another_question() {
        for name in ["a b", "a\nwant", "a\u{1b}", "a/b", "ä", &"a".repeat(254)] {
            let error = pod(&format!("K8S_POD_NAMESPACE=ai;K8S_POD_NAME={name}")).unwrap_err();
            assert!(error.starts_with("CNI_ARGS K8S_POD_NAME="), "{error}");
            assert!(pod(&format!("K8S_POD_NAMESPACE={name};K8S_POD_NAME=a")).is_err());
            assert!(pod(&format!("K8S_POD_NAMESPACE=a;K8S_POD_NAME=a;K8S_POD_UID={name}")).is_err());
        }
    }

    #[test]
    fn an_answer_is_whole_or_none() {
        let pod = pod("K8S_POD_NAMESPACE=ai;K8S_POD_NAME=a").unwrap();
        let held = heard(&pod, b"devices x/eno2=0000:3b:00.2,0000:3b:00.3 x/eno10=0000:5e:00.2\n").unwrap();
        let of = |resource: &str, devices: &[&str]| PodDevices {
            resource: resource.to_owned(),
            devices: devices.iter().map(|&device| device.to_owned()).collect(),
        };
        assert_eq!(held, [of("x/eno2", &["0000:3b:00.2", "0000:3b:00.3"]), of("x/eno10", &["0000:5e:00.2"])]);
        for said in [
            &b""[..],
            b"\n",
            b"devices\n",
            b"devices \n",
            b"devices x/a=0000:3b:00.2",
            b"devices x/a\n",
            b"devices x/a=\n",
            b"devices =0000:3b:00.2\n",
            b"devices x/a=../../etc\n",
            b"devices x/a=0000:3b:00.2  x/b=0000:3b:00.3\n",
            b"error expected: want POOL N MS\n",
            b"\xff\xfe\x00\x1b[2J\n",
        ] {
            let error = heard(&pod, said).unwrap_err();
            assert!(error.code == 11 && error.msg.contains("none of its answers"), "{said:?}: {error}");
            assert!(!error.msg.contains('\u{1b}'), "{error}");
        }
        let error = heard(&pod, b"none kubelet is not there\n").unwrap_err();
        assert!(error.code == 11 && error.msg.contains("pod ai/a: kubelet is not there"), "{error}");
    }
}
