//! etcd and kube-apiserver.

use std::env;
use std::fs;
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{self, Command};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sys::signal::Signal;
use testkit::{eventually, pause};

use crate::certificates::Certificates;
use crate::file::put;
use crate::helm::Helm;
use crate::keeper::{Keeper, Recipe};
use crate::kubectl::Kubectl;
use crate::programs::Programs;
use crate::run::Run;
use crate::server::Server;
use crate::users::{User, kubeconfig, tokens};

/// On a machine with nothing else to do it takes three seconds.
const READY: Duration = Duration::from_secs(120);
const PORT: u16 = 6443;
const ETCD: u16 = 2379;

/// An API server on a loopback address of its own; it ends, and its files go, when this is dropped or the process dies.
///
/// It has no controllers: a Pod stays as it was created, and needs no service account.
#[derive(Debug)]
pub struct Api {
    etcd: Option<Server>,
    apiserver: Option<Server>,
    site: Site,
    // In this order: nothing writes to the directory any more when it is removed.
    keeper: Keeper,
    run: Run,
}

/// Where an API server is, and with what.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) programs: Programs,
    pub(crate) certificates: Certificates,
    pub(crate) dir: PathBuf,
    place: Place,
}

/// Where an API server listens.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    /// Where clients find it.
    pub(crate) address: Ipv4Addr,
    /// This address, or all.
    pub(crate) listen: Ipv4Addr,
    pub(crate) port: u16,
    /// What is left out of admission because nobody runs what it relies on.
    pub(crate) without: &'static str,
}

/// A copy of all that etcd had.
#[derive(Debug)]
pub struct Saved(PathBuf);

impl Api {
    /// Starts one; ready when it returns.
    pub fn start() -> Result<Self> {
        let programs = Programs::of_api()?;
        let run = Run::create("api")?;
        let dir = run.path().display().to_string();
        // A test binary's only API server is often never dropped.
        let keeper = Keeper::start(Recipe { end: "rm -rf \"$1\"", args: &[&dir], ..Recipe::default() })?;
        let address = free_address()?;
        let place = Place { address, listen: address, port: PORT, without: "ServiceAccount" };
        let site = Site::create(programs, run.path(), place, &[User::admin()])?;
        let mut api = Self { etcd: None, apiserver: None, site, keeper, run };
        api.start_etcd()?;
        api.start_server()?;
        Ok(api)
    }

    /// `https://127.X.Y.Z:6443`
    pub fn url(&self) -> String {
        self.site.url()
    }

    /// A kubeconfig of an administrator.
    pub fn kubeconfig(&self) -> PathBuf {
        self.site.kubeconfig(&User::admin())
    }

    /// The authority that signed the server's certificate, as PEM.
    pub fn authority(&self) -> PathBuf {
        self.site.certificates.path("ca.crt")
    }

    /// kubectl as an administrator.
    pub fn kubectl(&self) -> Kubectl {
        Kubectl::new(self.site.programs.path("kubectl"), self.kubeconfig(), None)
    }

    /// helm as an administrator, built if it is not there.
    pub fn helm(&self) -> Result<Helm> {
        Helm::of_server(self.kubeconfig(), None)
    }

    /// What a program needs to find kubectl, and kubectl to find the server.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        self.site.environment()
    }

    /// Runs a program beside the servers, and ends it with them at the latest.
    pub(crate) fn serve(&self, name: &str, command: &mut Command) -> Result<Server> {
        Server::start(&self.keeper, name, command, self.run.path())
    }

    /// `127.X.Y.Z:2379`
    pub(crate) fn etcd_address(&self) -> String {
        format!("{}:{ETCD}", self.site.place.address)
    }

    /// A directory for the test's own files.
    pub fn dir(&self) -> &Path {
        self.run.path()
    }

    /// Kills the API server as a crash does; etcd stays.
    pub fn kill_server(&mut self) -> Result<()> {
        self.end_server(Signal::SIGKILL)
    }

    /// Ends the API server in good order.
    pub fn stop_server(&mut self) -> Result<()> {
        self.end_server(Signal::SIGTERM)
    }

    /// Starts the API server again, under the same address.
    pub fn start_server(&mut self) -> Result<()> {
        let logs = self.run.path();
        let mut server = Server::start(&self.keeper, "kube-apiserver", &mut self.site.apiserver(&[]), logs)?;
        self.site.wait(&mut server, &self.keeper, &self.kubectl())?;
        self.apiserver = Some(server);
        Ok(())
    }

    /// Stops the API server from answering, without closing its connections: SIGSTOP.
    pub fn freeze_server(&self) -> Result<()> {
        self.server()?.signal(Signal::SIGSTOP)
    }

    /// Lets it go on.
    pub fn thaw_server(&self) -> Result<()> {
        self.server()?.signal(Signal::SIGCONT)
    }

    /// A copy of all objects, as a backup of etcd has it. The servers are stopped for it, and started again.
    pub fn save(&mut self, name: &str) -> Result<Saved> {
        let saved = Saved(self.run.path().join(format!("saved-{name}")));
        self.without_servers(|data| copy(data, &saved.0))?;
        Ok(saved)
    }

    /// Puts a copy back: what was written since then never happened.
    pub fn restore(&mut self, saved: &Saved) -> Result<()> {
        self.without_servers(|data| {
            fs::remove_dir_all(data)?;
            copy(&saved.0, data)
        })
    }

    fn without_servers(&mut self, work: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
        self.end_server(Signal::SIGKILL)?;
        if let Some(mut etcd) = self.etcd.take() {
            etcd.end(Signal::SIGTERM)?;
        }
        work(&self.site.data())?;
        self.start_etcd()?;
        self.start_server()
    }

    fn start_etcd(&mut self) -> Result<()> {
        let logs = self.run.path();
        self.etcd = Some(Server::start(&self.keeper, "etcd", &mut self.site.etcd(), logs)?);
        Ok(())
    }

    fn end_server(&mut self, signal: Signal) -> Result<()> {
        self.apiserver.take().map_or(Ok(()), |mut server| server.end(signal))
    }

    fn server(&self) -> Result<&Server> {
        self.apiserver.as_ref().context("the API server is not running")
    }
}

impl Site {
    /// Certificates, users and their kubeconfigs below `dir`.
    pub(crate) fn create(programs: Programs, dir: &Path, place: Place, users: &[User]) -> Result<Self> {
        let certificates = Certificates::create(dir, &[place.address, SERVICE])?;
        let site = Self { programs, certificates, dir: dir.into(), place };
        let authority = fs::read(site.certificates.path("ca.crt"))?;
        put(&dir.join("tokens.csv"), tokens(users))?;
        for user in users {
            put(&site.kubeconfig(user), kubeconfig(&site.url(), &authority, user))?;
        }
        Ok(site)
    }

    pub(crate) fn url(&self) -> String {
        format!("https://{}:{}", self.place.address, self.place.port)
    }

    /// Where the kubeconfig of a user is.
    pub(crate) fn kubeconfig(&self, user: &User) -> PathBuf {
        self.dir.join(format!("{}.kubeconfig", user.file_name()))
    }

    /// PATH with kubectl, and the administrator's kubeconfig.
    pub(crate) fn environment(&self) -> Vec<(&'static str, String)> {
        let kubectl = self.programs.path("kubectl");
        let kubectl = kubectl.parent().unwrap_or(Path::new("/")).display().to_string();
        let path = env::var("PATH").unwrap_or_default();
        let config = self.kubeconfig(&User::admin()).display().to_string();
        vec![("KUBECONFIG", config), ("PATH", format!("{kubectl}:{path}"))]
    }

    fn data(&self) -> PathBuf {
        self.dir.join("etcd")
    }

    pub(crate) fn etcd(&self) -> Command {
        let (client, peer) = (self.etcd_url(), format!("http://{}:2380", self.place.address));
        let mut etcd = Command::new(self.programs.path("etcd"));
        etcd.args(["--name=default", "--unsafe-no-fsync", "--log-level=warn"]);
        etcd.arg(format!("--data-dir={}", self.data().display()));
        etcd.arg(format!("--listen-client-urls={client}")).arg(format!("--advertise-client-urls={client}"));
        etcd.arg(format!("--listen-peer-urls={peer}")).arg(format!("--initial-advertise-peer-urls={peer}"));
        etcd.arg(format!("--initial-cluster=default={peer}"));
        etcd
    }

    fn etcd_url(&self) -> String {
        format!("http://{}:{ETCD}", self.place.address)
    }

    pub(crate) fn apiserver(&self, more: &[&str]) -> Command {
        let file = |flag: &str, name: &str| format!("--{flag}={}", self.dir.join(name).display());
        let mut server = Command::new(self.programs.path("kube-apiserver"));
        server.arg(format!("--etcd-servers={}", self.etcd_url()));
        let Place { address, listen, port, without } = self.place;
        server.arg(format!("--bind-address={listen}")).arg(format!("--secure-port={port}"));
        server.arg(format!("--advertise-address={address}"));
        server.args([file("tls-cert-file", "apiserver.crt"), file("tls-private-key-file", "apiserver.key")]);
        server.args([file("token-auth-file", "tokens.csv"), file("cert-dir", "generated")]);
        server.args([file("service-account-key-file", "tokens.pub")]);
        server.args([file("service-account-signing-key-file", "tokens.key")]);
        server.arg("--service-account-issuer=https://kubernetes.default.svc");
        server.args(["--authorization-mode=Node,RBAC", "--service-cluster-ip-range=10.96.0.0/16"]);
        server.args(["--allow-privileged=true", "--profiling=false", "--endpoint-reconciler-type=none"]);
        server.arg(format!("--disable-admission-plugins={without}"));
        server.args(more);
        server
    }

    /// Waits until the server answers.
    pub(crate) fn wait(&self, server: &mut Server, keeper: &Keeper, kubectl: &Kubectl) -> Result<()> {
        let address = SocketAddrV4::new(self.place.address, self.place.port).into();
        let open =
            || keeper.run(|| Ok(TcpStream::connect_timeout(&address, Duration::from_secs(1))?)).is_ok();
        let ready = eventually(READY, || {
            pause(Duration::from_millis(50));
            match server.alive() {
                Err(error) => Some(Err(error)),
                Ok(()) => (open() && kubectl.run(&["get", "--raw", "/readyz"]).is_ok()).then_some(Ok(())),
            }
        });
        ready.unwrap_or_else(|| bail!("kube-apiserver is not ready after {READY:?}:\n{}", server.said()))
    }
}

/// The first address of the service range, under which pods know the API server.
pub(crate) const SERVICE: Ipv4Addr = Ipv4Addr::new(10, 96, 0, 1);

/// A loopback address that no other server of this process has, and where nobody listens.
fn free_address() -> Result<Ipv4Addr> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let mut addresses = (0..1024).map(|_| {
        let number = process::id().wrapping_mul(64).wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
        Ipv4Addr::from(0x7f01_0000 + number % 0x00fe_0000)
    });
    let free = |address: &Ipv4Addr| TcpListener::bind(SocketAddrV4::new(*address, PORT)).is_ok();
    addresses.find(free).context("no loopback address is free for an API server")
}

/// A directory of plain files, with all below it.
fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from).with_context(|| format!("read {}", from.display()))? {
        let (entry, to) = (entry?, to);
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), &target)?;
        }
    }
    Ok(())
}
