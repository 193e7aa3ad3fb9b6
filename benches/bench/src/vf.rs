//! One VF of the emulated HCA by `sriov`, and a whole rail by `sriov`, `rdma` and `coordinator`, in a guest of the VM lab,
//! against a process that sends the same messages and nothing else. A guest without KVM is slow: the ratios count.

mod eight;

use std::fs::{read_dir, read_link, read_to_string};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::budget::{self, Verdict};
use crate::exec::{said, start_with, timed};
use crate::options::Options;
use crate::report::{Report, Unit, machine};
use crate::samples::{Samples, in_turns};
use crate::suite::Suite;

const NETNS: &str = "/run/netns/bench";
const ADDRESS: &str = "172.16.1.10";
const GATEWAY: &str = "172.16.1.1";

/// The VF that is attached, over and over.
struct Lab<'a> {
    options: &'a Options,
    suite: Suite,
    device: String,
    /// As `bare` takes it, without the RDMA device's index.
    arguments: Vec<String>,
    rdma: String,
}

/// What is attached: the VF alone, or a rail.
#[derive(Clone, Copy)]
enum What {
    Vf,
    Rail,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let lab = Lab::find(options)?;
    let mut report = Report::default();
    for what in [What::Vf, What::Rail] {
        lab.times(what, &mut report)?;
        lab.requests(what, &mut report)?;
    }
    eight::measure(options, &mut report)?;
    report.note(&machine());
    let verdicts = budget::judge(&report, &budget::IN_A_GUEST);
    print(&report, &verdicts);
    budget::require(options, &verdicts)
}

#[expect(clippy::print_stdout, reason = "the numbers are what the program is run for")]
fn print(report: &Report, verdicts: &[Verdict]) {
    eprintln!(
        "{:<44} {:>33} {:>33} {:>7}",
        "median (least .. nine of ten)", "ours", "bare messages or peers", "ratio"
    );
    for row in report.rows("") {
        eprintln!("{row}");
    }
    for verdict in verdicts {
        eprintln!("{verdict}");
    }
    let rows: Vec<_> = report.rows("").map(crate::report::Row::json).collect();
    let verdicts: Vec<_> = verdicts.iter().map(Verdict::json).collect();
    println!("{:#}", json!({ "rows": rows, "budgets": verdicts, "notes": [machine()] }));
}

impl<'a> Lab<'a> {
    fn find(options: &'a Options) -> Result<Self> {
        let vf = Path::new("/sys/class/net/rail0v0");
        ensure!(vf.exists(), "there is no VF rail0v0: this runs in a guest of the VM lab (`make vm-bench`)");
        run_program("ip", &["netns", "add", "bench"])?;
        let arguments = bare_arguments("rail0", "rail0v0", NETNS, &format!("{ADDRESS}/24"), GATEWAY)?;
        let (device, rdma) = (device_of("rail0v0")?, rdma_of("rail0v0")?);
        Ok(Self { options, suite: Suite::find(&options.bin_dir)?, device, arguments, rdma })
    }

    fn times(&self, what: What, report: &mut Report) -> Result<()> {
        let case = what.name();
        let mut ours = || self.ours(what);
        let mut bare = || self.bare(what);
        let [ours, bare] = in_turns(self.options.rounds, &mut [&mut ours, &mut bare])?;
        for (verb, side) in [("ADD", 0), ("DEL", 1)] {
            let of =
                |both: &[[Duration; 2]]| Samples::of(&both.iter().map(|both| both[side]).collect::<Vec<_>>());
            report.compare(format!("{case}, {verb}"), Unit::Seconds, [of(&ours), of(&bare)]);
        }
        Ok(())
    }

    /// Netlink requests of one ADD, as strace sees them.
    fn requests(&self, what: What, report: &mut Report) -> Result<()> {
        let mut ours = 0.0;
        let mut previous = Value::Null;
        for plugin in what.plugins() {
            let mut command = traced(&self.suite.path(plugin).display().to_string());
            self.environment(&mut command, "ADD");
            let config = self.config(plugin, &previous);
            previous = said(&start_with(&mut command, config.to_string().as_bytes())?.wait_with_output()?)?;
            ours += counted()?;
        }
        self.detach(what, &previous)?;
        let mut command = traced(&self.options.bare.display().to_string());
        self.bare_arguments(&mut command, what, "vf-add");
        said(&command.output()?)?;
        let bare = counted()?;
        self.send_bare(what, "vf-del")?;
        let samples = [Samples::one(ours), Samples::one(bare)];
        report.compare(format!("{}, requests of ADD", what.name()), Unit::Count, samples);
        Ok(())
    }

    fn ours(&self, what: What) -> Result<[Duration; 2]> {
        let (mut took, mut previous) = (Duration::ZERO, Value::Null);
        for plugin in what.plugins() {
            let (time, result) = self.call(plugin, "ADD", &previous)?;
            (took, previous) = (took + time, result);
        }
        Ok([took, self.detach(what, &previous)?])
    }

    fn detach(&self, what: What, result: &Value) -> Result<Duration> {
        let mut took = Duration::ZERO;
        for plugin in what.plugins().iter().rev() {
            took += self.call(plugin, "DEL", result)?.0;
        }
        Ok(took)
    }

    fn call(&self, plugin: &str, verb: &str, previous: &Value) -> Result<(Duration, Value)> {
        let mut command = Command::new(self.suite.path(plugin));
        self.environment(&mut command, verb);
        timed(command, &self.config(plugin, previous)).with_context(|| format!("{plugin} {verb}"))
    }

    fn environment(&self, command: &mut Command, verb: &str) {
        command.env("CNI_COMMAND", verb).env("CNI_CONTAINERID", "bench").env("CNI_NETNS", NETNS);
        command.env("CNI_IFNAME", "net1").env("CNI_PATH", &self.suite.dir);
    }

    fn config(&self, plugin: &str, previous: &Value) -> Value {
        let range = json!({ "subnet": "172.16.1.0/24", "rangeStart": ADDRESS, "gateway": GATEWAY });
        let mut config =
            json!({ "cniVersion": "1.1.0", "name": "bench", "type": plugin, "deviceID": self.device });
        if plugin == "sriov" {
            let more = json!({ "vlan": 100, "spoofchk": "on", "trust": "on",
                               "ipam": { "type": "rail-ipam", "ranges": [[range]] } });
            config
                .as_object_mut()
                .into_iter()
                .for_each(|keys| keys.extend(more.as_object().cloned().unwrap_or_default()));
        }
        if !previous.is_null() {
            config["prevResult"] = previous.clone();
        }
        config
    }

    fn bare(&self, what: What) -> Result<[Duration; 2]> {
        Ok([self.send_bare(what, "vf-add")?, self.send_bare(what, "vf-del")?])
    }

    fn send_bare(&self, what: What, verb: &str) -> Result<Duration> {
        let mut command = Command::new(&self.options.bare);
        self.bare_arguments(&mut command, what, verb);
        Ok(timed(command, &Value::Null).with_context(|| format!("bare {verb}"))?.0)
    }

    fn bare_arguments(&self, command: &mut Command, what: What, verb: &str) {
        command.arg(verb).args(&self.arguments);
        if matches!(what, What::Rail) {
            command.arg(&self.rdma);
        }
    }
}

impl What {
    fn name(self) -> &'static str {
        match self {
            Self::Vf => "VF: sriov, rail-ipam",
            Self::Rail => "rail: sriov, rail-ipam, rdma, coordinator",
        }
    }

    fn plugins(self) -> &'static [&'static str] {
        match self {
            Self::Vf => &["sriov"],
            Self::Rail => &["sriov", "rdma", "coordinator"],
        }
    }
}

const TRACE: &str = "/tmp/bench.trace";

fn traced(program: &str) -> Command {
    let mut command = Command::new("strace");
    command.args(["-f", "-qq", "-v", "-s", "0", "-e", "trace=sendto,sendmsg", "-o", TRACE, program]);
    command
}

/// Messages, of which a system call may have several.
fn counted() -> Result<f64> {
    let text = read_to_string(TRACE)?;
    let requests = text.matches("nlmsg_type=").count();
    ensure!(requests > 0, "strace saw no netlink message:\n{text}");
    Ok(u32::try_from(requests).map(f64::from)?)
}

/// The PCI address of a VF.
fn device_of(vf: &str) -> Result<String> {
    let device = read_link(Path::new("/sys/class/net").join(vf).join("device"))
        .with_context(|| format!("find {vf}"))?;
    Ok(device.file_name().context("the VF has no PCI address")?.to_string_lossy().into_owned())
}

/// What `bare` is told of the first VF of a PF, without its RDMA device.
fn bare_arguments(pf: &str, vf: &str, netns: &str, address: &str, gateway: &str) -> Result<Vec<String>> {
    let index = |link: &str| -> Result<String> {
        Ok(read_to_string(Path::new("/sys/class/net").join(link).join("ifindex"))?.trim().to_owned())
    };
    Ok([&index(pf)?, "0", &index(vf)?, vf, netns, address, gateway].map(str::to_owned).to_vec())
}

/// The index of a VF's RDMA device: `3: hca_1: ...`, as `rdma dev show` prints it.
fn rdma_of(vf: &str) -> Result<String> {
    let devices = Path::new("/sys/class/net").join(vf).join("device/infiniband");
    let rdma = read_dir(devices)?.next().context("the VF has no RDMA device")??;
    let shown = run_program("rdma", &["dev", "show", &rdma.file_name().to_string_lossy()])?;
    Ok(shown.split(':').next().context("rdma prints an index")?.trim().to_owned())
}

fn run_program(program: &str, args: &[&str]) -> Result<String> {
    let output = Command::new(program).args(args).output().with_context(|| format!("run {program}"))?;
    ensure!(
        output.status.success(),
        "{program} {}: {}",
        args.join(" "),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
