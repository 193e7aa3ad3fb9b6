use attach::{Attachments, Error, Pod, key_of, verdict};
use cni::Request;
use netlink::Rdma;
use state::Dirs;

use super::{NAME, Policy, RdmaSpec, RdmaUndo, require_exclusive};

/// CHECK: the device is in the pod, under the name of the record.
pub fn check(request: &Request, wanted: &RdmaSpec) -> Result<(), cni::Error> {
    let netns = request.env.require_netns()?;
    request.config.require_prev_result()?;
    let pod = Pod::open(netns)?;
    if !require_exclusive(wanted.policy)? {
        return Ok(());
    }
    let record = Attachments::open(&Dirs::from_env().map_err(Error::from)?, NAME)?;
    let found = match record.on_record::<RdmaUndo>(&key_of(request)?)?.about(&pod.netns) {
        Ok(Some(undo)) => of_device(&undo, &pod)?,
        Ok(None) => Vec::new(),
        Err(differs) => vec![differs],
    };
    verdict(&request.env.ifname, &found)
}

/// STATUS: the RDMA netns mode is one in which ADD can do its work.
pub fn status(policy: Policy) -> Result<(), cni::Error> {
    match require_exclusive(policy) {
        Ok(_) => Ok(()),
        Err(error) => Err(cni::Error::not_available(error.to_string())),
    }
}

/// How the device in the pod differs from what the record says.
pub fn of_device(undo: &RdmaUndo, pod: &Pod) -> Result<Vec<String>, Error> {
    let devices = Rdma::open_in(&pod.netns)?.devices()?;
    let by_index = devices.iter().find(|device| Some(device.index) == undo.index);
    Ok(match by_index {
        Some(device) if device.name == undo.pod_name => Vec::new(),
        Some(device) => {
            vec![format!("its RDMA device is called {}, expected {}", device.name, undo.pod_name)]
        }
        None => vec![format!("RDMA device {} is not in the pod", undo.pod_name)],
    })
}
