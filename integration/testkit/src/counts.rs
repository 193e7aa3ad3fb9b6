//! What ADD and DEL ask of the kernel, in numbers that do not jitter as times do: held against `benches/counts.txt`, which a change
//! that costs more has to touch.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Write;

use serde_json::Value;

use crate::chain::Chain;
use crate::fault::{begun, reads};
use crate::mounts::must;
use crate::plugin::Plugin;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../benches/counts.txt");

/// A dump that is interrupted is asked again, and a wait is woken once more than it needs, on a busy machine more often: what the code
/// does is the least of so many rounds, or of those until it is what the file says.
const ROUNDS: usize = 8;

/// One column of the file.
struct Kind {
    name: &'static str,
    of: fn(&Line<'_>) -> usize,
    /// How much in a hundred may be above the file: a wait is asked again when something else comes, and numbers in records have
    /// more digits on one machine than on another.
    above: usize,
}

const fn kind(name: &'static str, of: fn(&Line<'_>) -> usize) -> Kind {
    Kind { name, of, above: 0 }
}

const KINDS: [Kind; 9] = [
    Kind { above: 2, ..kind("calls", |_| 1) },
    kind("messages", messages),
    kind("sockets", |line| line.is_one_of(&["socket"])),
    kind("setns", |line| line.is_one_of(&["setns"])),
    kind("locks", locks),
    kind("opens", |line| usize::from(line.opens() && line.reads())),
    kind("changes", changes),
    kind("syncs", |line| line.is_one_of(&["fsync", "fdatasync"])),
    Kind { above: 5, ..kind("bytes", bytes) },
];

/// Under the file by more than this and by more than a fifth, a number no longer says what the code does.
const SPARE: usize = 3;

/// How often a process did each of [`KINDS`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts([usize; KINDS.len()]);

/// One system call in the output of `strace -y`.
#[derive(Clone, Copy, Debug)]
struct Line<'a> {
    name: &'a str,
    /// With what it returned.
    args: &'a str,
}

impl Line<'_> {
    fn is_one_of(&self, names: &[&str]) -> usize {
        usize::from(names.contains(&self.name))
    }

    /// The first thing that a plugin does itself, after its loader and its libraries.
    fn reads_config(&self) -> bool {
        self.name == "read" && self.args.starts_with("0<")
    }

    /// Memory and signals as allocator and C library want them, and what debug builds ask beside: no two builds are alike in these.
    fn is_of_the_build(&self) -> bool {
        let memory = ["mmap", "munmap", "mremap", "mprotect", "madvise", "brk", "sigaltstack"];
        memory.contains(&self.name) || self.name.starts_with("rt_sig") || self.args.contains("F_GETFD")
    }

    fn opens(&self) -> bool {
        matches!(self.name, "open" | "openat")
    }

    fn reads(&self) -> bool {
        reads(self.name, self.args)
    }
}

fn messages(line: &Line<'_>) -> usize {
    if line.name.starts_with("send") { line.args.matches("nlmsg_len=").count() } else { 0 }
}

/// Taken and given back, of a whole file or of a part of it.
fn locks(line: &Line<'_>) -> usize {
    usize::from(line.name == "flock" || line.name == "fcntl" && line.args.contains("_SETLK"))
}

/// Of files and directories: made, opened for writing, renamed, removed.
fn changes(line: &Line<'_>) -> usize {
    let names = ["mkdir", "rename", "unlink", "rmdir", "link", "symlink", "ftruncate"];
    let changes = names.iter().any(|name| line.name.starts_with(name));
    usize::from(changes || line.opens() && !line.reads())
}

/// Written to files; what goes to a pipe or a socket is no path.
fn bytes(line: &Line<'_>) -> usize {
    let writes = line.name.starts_with("write") || line.name.starts_with("pwrite");
    if !writes || !line.args.split_once('<').is_some_and(|(_, file)| file.starts_with('/')) {
        return 0;
    }
    line.args.rsplit_once(" = ").and_then(|(_, bytes)| bytes.trim().parse().ok()).unwrap_or(0)
}

impl Counts {
    fn of(trace: &str) -> Self {
        let lines = trace.lines().filter_map(begun).map(|(_, name, args)| Line { name, args });
        let of_the_plugin =
            lines.skip_while(|line| !line.reads_config()).filter(|line| !line.is_of_the_build());
        of_the_plugin.fold(Self::default(), |counts, line| {
            Self(std::array::from_fn(|at| counts.0[at] + (KINDS[at].of)(&line)))
        })
    }

    fn parse(text: &str) -> Option<Self> {
        let mut fields = text.split_whitespace();
        let numbers = KINDS.each_ref().map(|kind| {
            let (name, number) = fields.next()?.split_once('=')?;
            (name == kind.name).then(|| number.parse().ok())?
        });
        let complete = numbers.iter().all(Option::is_some) && fields.next().is_none();
        complete.then(|| Self(numbers.map(Option::unwrap_or_default)))
    }

    fn with(self, other: Self, each: fn(usize, usize) -> usize) -> Self {
        Self(std::array::from_fn(|at| each(self.0[at], other.0[at])))
    }

    /// What is above the file, or so far below that the file has to follow.
    fn differs(&self, file: &Self) -> Vec<String> {
        let columns = KINDS.iter().zip(self.0).zip(file.0);
        columns
            .filter_map(|((kind, now), file)| {
                let least = file - (file / 5).max(SPARE).min(file);
                let word = match now {
                    _ if now > file + file * kind.above / 100 => "more",
                    _ if now < least => "less",
                    _ => return None,
                };
                Some(format!("{} {}: {now}, the file has {file}", word, kind.name))
            })
            .collect()
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fields: Vec<_> =
            KINDS.iter().zip(self.0).map(|(kind, count)| format!("{}={count}", kind.name)).collect();
        f.write_str(&fields.join(" "))
    }
}

/// By plugin and verb, in the order of a life.
type Life = Vec<(String, Counts)>;

impl Chain {
    /// Where ADD and DEL of its plugins are not as the lines of `subject` in `benches/counts.txt` say. The lines that it should have go
    /// to stderr, by the capture of libtest: `make counts` collects them.
    #[track_caller]
    pub fn miscounts(&self, subject: &str) -> Vec<String> {
        // It makes locks and directories that the others find.
        self.add();
        self.del();
        let file = must("read benches/counts.txt", std::fs::read_to_string(FILE));
        let mut least = self.counted();
        for _ in 1..ROUNDS {
            if compare(&file, subject, &least).iter().all(|(_, differences)| differences.is_empty()) {
                break;
            }
            for ((_, counts), (_, other)) in least.iter_mut().zip(self.counted()) {
                *counts = counts.with(other, usize::min);
            }
        }
        let lines = compare(&file, subject, &least);
        for (line, _) in &lines {
            let _ = std::io::stderr().write_all(format!("counts: {line}\n").as_bytes());
        }
        let wrong = lines.into_iter().filter(|(_, differences)| !differences.is_empty());
        wrong.map(|(line, differences)| format!("{}:\n  {line}", differences.join("; "))).collect()
    }

    /// One life, each step of it under strace.
    fn counted(&self) -> Life {
        let (mut life, mut previous) = (Life::new(), Value::Null);
        for at in 0..self.steps.len() {
            let config = self.config(at, &previous);
            previous = self.steps[at].plugin.counted("ADD", &config, &mut life);
        }
        for step in self.steps.iter().rev() {
            step.plugin.counted("DEL", &step.config, &mut life);
        }
        life
    }
}

/// The lines that the file should have, and how its own differ. Where a chain has a plugin several times, all of them together.
fn compare(file: &str, subject: &str, steps: &Life) -> Vec<(String, Vec<String>)> {
    let mut costs: BTreeMap<&str, Counts> = BTreeMap::new();
    for (name, counts) in steps {
        let total = costs.entry(name).or_default();
        *total = total.with(*counts, |one, other| one + other);
    }
    let beside_its_own = |(name, counts): (&str, Counts)| {
        let start = format!("{subject} {name} ");
        let line = file.lines().find_map(|line| line.strip_prefix(&start)).and_then(Counts::parse);
        let missing = || vec!["the file has no such line".to_owned()];
        (format!("{start}{counts}"), line.map_or_else(missing, |line| counts.differs(&line)))
    };
    costs.into_iter().map(beside_its_own).collect()
}

/// That there are no [`miscounts`](Chain::miscounts).
#[track_caller]
pub fn assert_counts(wrong: &[String]) {
    assert!(
        wrong.is_empty(),
        "{}\nbenches/counts.txt says what an ADD and a DEL may ask of the kernel; `make counts` writes it anew, and who makes a \
         number grow says in the commit why",
        wrong.join("\n")
    );
}

impl Plugin {
    /// Runs `verb`, adds what it did to `life`, and says what it answered.
    fn counted(&self, verb: &str, config: &Value, life: &mut Life) -> Value {
        // All of a message, nothing of what is read and written, and the files behind descriptors.
        let (outcome, trace) = self.under_strace(verb, config, &["--trace=all", "-v", "-y", "-s0"]);
        let name = self.program.file_name().unwrap_or_default().display();
        life.push((format!("{name} {verb}"), Counts::of(&trace)));
        outcome.success()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "execve(\"/dist/rail\", ...) = 0\n\
        open(\"/etc/ld.so.cache\", O_RDONLY|O_CLOEXEC) = 3</etc/ld.so.cache>\n\
        read(0<pipe:[8]>, \"\"..., 8192) = 700\n\
        mmap(NULL, 4096, PROT_READ, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x7f\n\
        open(\"/run/state/lock\", O_RDWR|O_CREAT|O_CLOEXEC, 0600) = 3</run/state/lock>\n\
        flock(3</run/state/lock>, LOCK_EX) = 0\n\
        open(\"/sys/class/net\", O_RDONLY|O_CLOEXEC) = 4</sys/class/net>\n\
        sendto(5<NETLINK:[ROUTE:7]>, [[{nlmsg_len=40, nlmsg_type=RTM_NEWLINK}], [{nlmsg_len=40, nlmsg_type=RTM_NEWADDR}]], 80, 0, NULL, 0) = 80\n\
        recvfrom(5<NETLINK:[ROUTE:7]>, [{nlmsg_len=36, nlmsg_type=NLMSG_ERROR}], 8192, 0, NULL, NULL) = 36\n\
        write(3</run/state/lock>, \"\"..., 120) = 120\n\
        fdatasync(3</run/state/lock>) = 0\n\
        fcntl(3</run/state/lock>, F_GETFD) = 0x1 (flags FD_CLOEXEC)\n\
        rename(\"/run/state/a\", \"/run/state/b\") = 0\n\
        write(1<pipe:[9]>, \"\"..., 300) = 300\n\
        exit_group(0) = ?\n\
        +++ exited with 0 +++\n";

    #[test]
    fn what_a_plugin_does_is_counted_by_kind_and_not_what_its_build_does() {
        let line = "calls=11 messages=2 sockets=0 setns=0 locks=1 opens=1 changes=2 syncs=1 bytes=120";
        assert_eq!(Counts::of(TRACE).to_string(), line);
        assert_eq!(Counts::parse(line), Some(Counts::of(TRACE)));
        assert_eq!(Counts::parse("calls=11"), None);
    }

    #[test]
    fn more_and_much_less_than_the_file_are_said() {
        let file = Counts([100, 40, 2, 2, 1, 10, 12, 0, 1000]);
        let differences = |now| Counts(now).differs(&file);
        assert!(differences([102, 38, 2, 2, 1, 10, 12, 0, 1050]).is_empty());
        assert_eq!(differences([103, 41, 2, 2, 1, 10, 12, 1, 1051]).len(), 4);
        let less = differences([79, 31, 2, 2, 1, 10, 8, 0, 799]);
        assert_eq!(less[..2], ["less calls: 79, the file has 100", "less messages: 31, the file has 40"]);
        assert_eq!(less.len(), 4);
    }
}
