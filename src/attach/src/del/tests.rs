use std::cell::RefCell;

use cni::{CniArgs, CniResult, Command, Config, Env};
use nix::sched::{CloneFlags, unshare};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tempfile::TempDir;

use super::*;
use crate::Failure;

/// Has two interfaces, and cannot be undone while there is a file of that name.
#[derive(Debug, Serialize, Deserialize)]
struct Two {
    hindrance: std::path::PathBuf,
}

impl Undo for Two {
    fn undo(&self, _: &mut UndoContext) -> Result<(), Error> {
        if self.hindrance.exists() {
            return Err(Failure::Vanished { ifname: "net1".to_owned() }.into());
        }
        Ok(())
    }

    fn ipams(&self) -> Vec<(String, String)> {
        ["net1", "net2"].map(|ifname| (ifname.to_owned(), "recorded".to_owned())).into()
    }

    fn silences(&self) -> bool {
        true
    }
}

/// Interface, plugin, and whether a record names it.
type Call = (String, String, bool);

/// Notes interface, plugin, and whether a record told; fails as it is told to.
struct Noted {
    calls: RefCell<Vec<Call>>,
    fails: bool,
}

impl Ipam for Noted {
    fn del(&self, request: &Request, plugin: &str) -> Result<(), cni::Error> {
        let Env { ifname, unrecorded, .. } = &request.env;
        self.calls.borrow_mut().push((ifname.clone(), plugin.to_owned(), !unrecorded));
        if self.fails { Err(cni::Error::try_again("busy")) } else { Ok(()) }
    }

    fn require(&self, _: &Request, _: &str) -> Result<(), cni::Error> {
        not_of_del()
    }

    fn add(&self, _: &Request, _: &str) -> Result<CniResult, cni::Error> {
        not_of_del()
    }

    fn check(&self, _: &Request, _: &str) -> Result<(), cni::Error> {
        not_of_del()
    }

    fn gc(&self, _: &Request, _: &str) -> Result<(), cni::Error> {
        not_of_del()
    }

    fn status(&self, _: &Request, _: &str) -> Result<(), cni::Error> {
        not_of_del()
    }
}

fn not_of_del() -> ! {
    panic!("a DEL asks the IPAM for its DEL, and for nothing else")
}

fn request(ipam: &str) -> Request {
    let config = json!({ "cniVersion": "1.0.0", "name": "rails", "type": "test", "ipam": { "type": ipam } });
    let env = Env {
        command: Command::Del,
        container_id: "c".to_owned(),
        netns: None,
        ifname: "net1".to_owned(),
        args: CniArgs::default(),
        path: Vec::new(),
        declined: Vec::new(),
        unrecorded: false,
    };
    Request { env, config: Config::parse(config.to_string().into_bytes(), Command::Del).unwrap() }
}

struct Place {
    dir: TempDir,
    request: Request,
}

impl Place {
    /// With an attachment on record.
    fn new() -> Self {
        unshare(CloneFlags::CLONE_NEWNET)
            .expect("run the tests of attach as root: they make a network namespace");
        let place = Self { dir: TempDir::new().unwrap(), request: request("configured") };
        let (key, pod) = (key_of(&place.request).unwrap(), netns::NetNs::current().unwrap());
        let prepared = place.attachments().prepare::<Two>(key, &pod).unwrap();
        prepared.begin(Two { hindrance: place.hindrance() }).unwrap().attached().unwrap();
        place
    }

    fn hindrance(&self) -> std::path::PathBuf {
        self.dir.path().join("hindrance")
    }

    fn attachments(&self) -> Attachments {
        Attachments::open(&Dirs::under(self.dir.path()), "test").unwrap()
    }

    fn is_on_record(&self) -> bool {
        let key = key_of(&self.request).unwrap();
        self.attachments().on_record::<Two>(&key).unwrap().undo().is_some()
    }

    /// What became of it, and what the IPAM was asked.
    fn del(&self, fails: bool) -> (Result<(), cni::Error>, Vec<Call>) {
        let ipam = Noted { calls: RefCell::default(), fails };
        let del = Del::of_several(&self.request, std::slice::from_ref(&self.request), &ipam);
        let done = del.run_on::<Two>(&self.attachments(), |_, _| Ok(Undone::default()));
        (done, ipam.calls.into_inner())
    }
}

fn call(ifname: &str, plugin: &str, recorded: bool) -> Call {
    (ifname.to_owned(), plugin.to_owned(), recorded)
}

#[test]
fn every_interface_of_config_and_record_gives_its_addresses_back() {
    let place = Place::new();
    let (done, calls) = place.del(false);
    done.unwrap();
    assert_eq!(calls, [call("net1", "configured", true), call("net2", "recorded", true)]);
    assert!(!place.is_on_record());
    let (done, calls) = place.del(false);
    done.unwrap();
    assert_eq!(calls, [call("net1", "configured", false)], "without a record, only the config tells");
}

#[test]
fn addresses_stay_taken_while_anything_may_answer_for_them() {
    let place = Place::new();
    std::fs::File::create(place.hindrance()).unwrap();
    let (done, calls) = place.del(false);
    done.unwrap_err();
    assert!(calls.is_empty() && place.is_on_record());
}

#[test]
fn a_del_whose_ipam_fails_is_repeated_with_all_that_the_record_knows() {
    let place = Place::new();
    let (done, _) = place.del(true);
    assert_eq!(done.unwrap_err().code, cni::code::TRY_AGAIN);
    assert!(place.is_on_record());
    let (done, calls) = place.del(false);
    done.unwrap();
    assert_eq!(calls.last(), Some(&call("net2", "recorded", true)));
}
