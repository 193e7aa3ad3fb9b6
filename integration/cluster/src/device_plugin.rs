//! A device plugin: offers devices of a resource to the kubelet of a node, as the SR-IOV device plugin does for VFs.

use std::path::PathBuf;
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Result, bail};
use bytes::{Bytes, BytesMut};
use h2::server::SendResponse;
use h2::{RecvStream, SendStream};
use http::Request;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::oneshot;

use crate::grpc::{answer, begin, field, fields, say, tell};
use crate::node::Node;

/// Where kubelet listens, and looks for the sockets of those that register.
const DIRECTORY: &str = "var/lib/kubelet/device-plugins";
const REGISTER: &str = "/v1beta1.Registration/Register";
const VERSION: &str = "v1beta1";
/// How often it looks whether kubelet has removed its socket, as it does when it starts.
const LOOK: Duration = Duration::from_millis(200);

/// Offers its devices until it is dropped, to every kubelet that comes up there.
#[derive(Debug)]
pub struct DevicePlugin {
    end: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Offer {
    kubelet: PathBuf,
    socket: PathBuf,
    endpoint: String,
    resource: String,
    devices: Vec<String>,
}

impl DevicePlugin {
    /// Offers these devices of `resource` on the node. A container that gets some finds their IDs in its variable `PCIDEVICE_`
    /// with the resource's name, by commas.
    pub fn start(node: &Node, resource: &str, devices: Vec<String>) -> Result<Self> {
        let directory = node.path(DIRECTORY);
        let endpoint = format!("{}.sock", resource.replace('/', "_"));
        let offer = Offer {
            kubelet: directory.join("kubelet.sock"),
            socket: directory.join(&endpoint),
            endpoint,
            resource: resource.to_owned(),
            devices,
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (end, ended) = oneshot::channel();
        let work = move || {
            let work = async {
                tokio::select! {
                    () = offer.keep() => (),
                    _ = ended => (),
                }
            };
            tokio::task::LocalSet::new().block_on(&runtime, work);
            // What is left of it would be a plugin that does not answer.
            let _ = std::fs::remove_file(&offer.socket);
        };
        let thread = std::thread::Builder::new().name("device plugin".to_owned()).spawn(work)?;
        Ok(Self { end: Some(end), thread: Some(thread) })
    }
}

impl Drop for DevicePlugin {
    fn drop(&mut self) {
        drop(self.end.take());
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

impl Offer {
    /// Listens, registers, and does both again when kubelet has begun anew.
    async fn keep(&self) {
        loop {
            let served = async {
                let _ = std::fs::remove_file(&self.socket);
                let listener = UnixListener::bind(&self.socket)?;
                tokio::select! {
                    served = self.serve(listener) => served,
                    registered = self.register() => registered,
                }
            };
            // kubelet is away or starts just now: it is tried again.
            let _: Result<()> = served.await;
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Until the socket is gone.
    async fn register(&self) -> Result<()> {
        let request = [field(1, VERSION), field(2, &self.endpoint), field(3, &self.resource)].concat();
        tell(&self.kubelet, REGISTER, &request).await?;
        while self.socket.exists() {
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }

    async fn serve(&self, listener: UnixListener) -> Result<()> {
        loop {
            let (stream, _) = listener.accept().await?;
            let (resource, devices) = (self.resource.clone(), self.devices.clone());
            tokio::task::spawn_local(async move { talk(stream, &resource, &devices).await });
        }
    }
}

async fn talk(stream: UnixStream, resource: &str, devices: &[String]) -> Result<()> {
    let mut connection = h2::server::handshake(stream).await?;
    // A list that is open for as long as kubelet wants to hear of changes, of which there are none.
    let mut lists: Vec<SendStream<Bytes>> = Vec::new();
    while let Some(call) = connection.accept().await {
        let (request, respond) = call?;
        match request.uri().path().rsplit('/').next() {
            Some("GetDevicePluginOptions") => answer(respond, Some(&[]), "0")?,
            Some("ListAndWatch") => {
                let mut list = begin(respond)?;
                say(&mut list, &listed(devices))?;
                lists.push(list);
            }
            Some("Allocate") => {
                let resource = resource.to_owned();
                tokio::task::spawn_local(async move { allocate(request, respond, &resource).await });
            }
            _ => answer(respond, None, "12")?,
        }
    }
    Ok(())
}

fn listed(devices: &[String]) -> Vec<u8> {
    devices.iter().flat_map(|id| field(1, [field(1, id), field(2, "Healthy")].concat())).collect()
}

async fn allocate(request: Request<RecvStream>, respond: SendResponse<Bytes>, resource: &str) -> Result<()> {
    let mut body = request.into_body();
    let mut bytes = BytesMut::new();
    while let Some(part) = body.data().await {
        let part = part?;
        body.flow_control().release_capacity(part.len())?;
        bytes.extend_from_slice(&part);
    }
    let Some((_, message)) = bytes.split_at_checked(5) else { bail!("a message without a head") };
    answer(respond, Some(&allocated(message, resource)), "0")
}

/// A variable for each container.
fn allocated(request: &[u8], resource: &str) -> Vec<u8> {
    let name = format!("PCIDEVICE_{}", resource.to_ascii_uppercase().replace(['/', '.'], "_"));
    let one = |(_, container): (u8, &[u8])| {
        let ids = fields(container).into_iter().map(|(_, id)| String::from_utf8_lossy(id).into_owned());
        let ids = ids.collect::<Vec<_>>().join(",");
        field(1, field(1, [field(1, &name), field(2, ids)].concat()))
    };
    fields(request).into_iter().flat_map(one).collect()
}
