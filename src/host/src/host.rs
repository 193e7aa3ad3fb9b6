//! Reads, records, changes: the shell around the plan.

use std::path::PathBuf;
use std::time::Duration;

use state::{Dirs, Lock};

use crate::error::{Error, Problems};
use crate::judge;
use crate::kernel::Kernel;
use crate::key::Key;
use crate::persist::{Persist, Via};
use crate::plan::{Change, Links, Picture, Plan, plan};
use crate::record::{Entry, Record};
use crate::settings::Settings;
use crate::wants::{Want, wants};

/// VFs come by a change, and have an MTU of their own; what comes by that is nothing.
const ROUNDS: u32 = 4;
/// VFs of eight PFs are made one after the other, by the run that is under way.
const PATIENCE: Duration = Duration::from_secs(120);

/// The node.
#[derive(Debug)]
pub struct Host {
    dirs: Dirs,
    kernel: Kernel,
}

/// What was done.
#[derive(Debug, Default)]
pub struct Outcome {
    /// How many changes.
    pub changes: usize,
    /// What the record knew before.
    pub on_record: usize,
    /// What somebody else has changed since, and so was left.
    pub foreign: Vec<String>,
}

impl Host {
    /// The node whose files are below `root`.
    pub fn open(dirs: Dirs, root: PathBuf) -> Result<Self, Error> {
        Ok(Self { dirs, kernel: Kernel::open(root)? })
    }

    /// What apply would change; an error if it would refuse. Changes nothing.
    pub fn plan(&mut self, settings: &Settings, persist: Option<&Persist>) -> Result<Plan, Error> {
        let (record, strange) = self.record()?;
        let mut plan = self.planned(settings, persist, &record)?;
        plan.foreign.extend(strange);
        Ok(plan)
    }

    /// Makes it so, and tells each change before it is made.
    pub fn apply(
        &mut self,
        settings: &Settings,
        persist: Option<&Persist>,
        mut tell: impl FnMut(&Change),
    ) -> Result<Outcome, Error> {
        let _lock = self.lock()?;
        let (record, foreign) = self.record()?;
        if !foreign.is_empty() {
            record.save(&self.dirs)?;
        }
        let mut outcome = Outcome { foreign, ..Outcome::default() };
        for _ in 0..ROUNDS {
            let record = Record::load(&self.dirs)?;
            let plan = self.planned(settings, persist, &record)?;
            self.execute(&plan, &record, &mut tell)?;
            outcome.changes += plan.changes.len();
            outcome.foreign.extend(plan.foreign);
            if plan.changes.is_empty() {
                return Ok(outcome);
            }
        }
        let record = Record::load(&self.dirs)?;
        match self.planned(settings, persist, &record)?.changes.first() {
            None => Ok(outcome),
            Some(next) => Err(Error::Restless { rounds: ROUNDS, next: next.difference() }),
        }
    }

    /// Restores what the record says, and goes on after what cannot be. Needs no settings.
    pub fn undo(&mut self, mut tell: impl FnMut(&Change)) -> Result<Outcome, Error> {
        let _lock = self.lock()?;
        let on_record = Record::load(&self.dirs)?.0.len();
        let (record, strange) = self.record()?;
        let picture = self.picture(&[], &record)?;
        let mut plan = plan(Vec::new(), &picture, &record);
        plan.foreign.extend(strange);
        if plan.changes.iter().any(|change| change.key.between().is_some()) {
            // Or the next undo would take what a killed one left half done for somebody else's.
            record.before(&plan).save(&self.dirs)?;
        }
        let mut failed = Vec::new();
        for change in &plan.changes {
            tell(change);
            if let Err(error) = self.kernel.write(&change.key, &change.to) {
                failed.push((&change.key, format!("{change}: {error}")));
            }
        }
        let (left, gone): (Vec<_>, Vec<_>) =
            record.0.into_iter().partition(|entry| failed.iter().any(|(key, _)| **key == entry.what));
        self.forget(&gone)?;
        // Even an empty one: a record that never came to be has left its beginning.
        Record(left).save(&self.dirs)?;
        let of = plan.changes.len();
        if failed.is_empty() {
            plan.foreign.extend(self.kernel.marked()?.iter().map(unrecorded));
            return Ok(Outcome { changes: of, on_record, foreign: plan.foreign });
        }
        let failed: Vec<String> = failed.into_iter().map(|(_, said)| said).collect();
        Err(Error::Undo { done: of - failed.len(), of, failed })
    }

    /// The settings of those NICs that are there, and the names of those that are not.
    pub fn present(&mut self, settings: &Settings) -> Result<(Settings, Vec<String>), Error> {
        let inventory = self.kernel.look(settings)?;
        let (mut present, mut missing) = (settings.clone(), Vec::new());
        present.nics.retain(|nic| {
            let has_another_name =
                || nic.pci.is_some_and(|pci| inventory.misnamed(&pci.to_string()).is_some());
            let is_there = inventory.nic(&nic.name).is_some() || has_another_name();
            if !is_there {
                missing.push(nic.name.clone());
            }
            is_there
        });
        Ok((present, missing))
    }

    /// Who has an earlier apply repeated at boot; `None` where nobody was to, or it is undone.
    pub fn persistence(&self) -> Result<Option<Via>, Error> {
        Ok(Via::on_record(&Record::load(&self.dirs)?))
    }

    fn lock(&self) -> Result<Lock, Error> {
        Ok(self.dirs.state.lock_slot(&["locks"], "host", 0, PATIENCE)?)
    }

    fn planned(
        &mut self,
        settings: &Settings,
        persist: Option<&Persist>,
        record: &Record,
    ) -> Result<Plan, Error> {
        let inventory = self.kernel.look(settings)?;
        let wanted = wants(settings, &inventory, persist);
        let picture = self.picture(&wanted, record)?;
        let problems = judge::problems(settings, &inventory, &wanted, &picture, record);
        if !problems.is_empty() {
            return Err(Error::Judged(Problems(problems)));
        }
        let mut plan = plan(wanted, &picture, record);
        self.require_idle_vfs(&plan)?;
        plan.adopted = self.adopted(&plan, record)?;
        let names = plan.wanted.iter().filter_map(|want| want.key.link());
        plan.links = self.links(names)?;
        Ok(plan)
    }

    /// The record without what is about links that are gone, though others have their names; and those, told.
    fn record(&mut self) -> Result<(Record, Vec<String>), Error> {
        let record = Record::load(&self.dirs)?;
        let links = self.links(record.0.iter().filter_map(|entry| entry.what.link()))?;
        let (record, names) = record.of_links(&links);
        Ok((record, names.iter().map(|name| anew(name)).collect()))
    }

    fn links<'a>(&mut self, names: impl Iterator<Item = &'a str>) -> Result<Links, Error> {
        let mut links = Links::new();
        for name in names {
            if !links.contains_key(name)
                && let Some(index) = self.kernel.index(name)?
            {
                links.insert(name.to_owned(), index);
            }
        }
        Ok(links)
    }

    fn adopted(&mut self, plan: &Plan, record: &Record) -> Result<Vec<Key>, Error> {
        let mut adopted = Vec::new();
        for Want { key, .. } in plan.wanted.iter().filter(|want| record.entry(&want.key).is_none()) {
            if self.kernel.is_ours(key)? == Some(true) {
                adopted.push(key.clone());
            }
        }
        Ok(adopted)
    }

    fn picture(&mut self, wanted: &[Want], record: &Record) -> Result<Picture, Error> {
        let recorded = record.0.iter().map(|entry| &entry.what);
        let mut picture = Picture::default();
        for key in wanted.iter().map(|want| &want.key).chain(recorded) {
            if !picture.0.iter().any(|(seen, _)| seen == key) {
                let is_wanted = wanted.iter().any(|want| want.key == *key);
                let value = if is_wanted { self.kernel.read(key) } else { self.kernel.read_own(key) };
                picture.0.push((key.clone(), value?));
            }
        }
        Ok(picture)
    }

    fn require_idle_vfs(&mut self, plan: &Plan) -> Result<(), Error> {
        for change in &plan.changes {
            if let (Key::Vfs { link }, crate::Value::Number(wanted)) = (&change.key, &change.to) {
                self.kernel.require_idle_vfs(link, *wanted)?;
            }
        }
        Ok(())
    }

    /// The record stands before the first change, and tells no more than is still ours after the last.
    fn execute(&mut self, plan: &Plan, record: &Record, tell: &mut impl FnMut(&Change)) -> Result<(), Error> {
        let before = record.before(plan);
        if !plan.changes.is_empty() {
            before.save(&self.dirs)?;
        }
        for (done, change) in plan.changes.iter().enumerate() {
            tell(change);
            self.kernel.write(&change.key, &change.to).map_err(|reason| Error::Change {
                change: change.to_string(),
                done,
                of: plan.changes.len(),
                reason: Box::new(reason),
            })?;
        }
        let after = before.after(plan);
        let gone: Vec<Entry> =
            before.0.iter().filter(|entry| after.entry(&entry.what).is_none()).cloned().collect();
        self.forget(&gone)?;
        if after == *record { Ok(()) } else { after.save(&self.dirs) }
    }

    /// What a killed writer left beside files goes with their entries.
    fn forget(&self, entries: &[Entry]) -> Result<(), Error> {
        entries.iter().try_for_each(|entry| self.kernel.tidy(&entry.what))
    }
}

fn anew(name: &str) -> String {
    format!("{name} is another link than the one that was set up under this name: it stays as it is")
}

fn unrecorded(key: &Key) -> String {
    format!(
        "{key} carries protocol 211 and is on no record: it stays; apply its file to have it on record, then undo"
    )
}
