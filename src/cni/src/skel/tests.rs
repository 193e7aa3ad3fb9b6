//! The checks around a handler, in one process; what only a real process shows is in `tests/process.rs`.

mod document;
mod environment;
mod verbs;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;

use super::*;
use crate::Route;

/// Remembers which handlers ran.
#[derive(Default)]
struct Recorder {
    calls: RefCell<Vec<&'static str>>,
    request: Cell<Option<Request>>,
    versions: Option<&'static [Version]>,
    routes: Vec<Route>,
    failure: Option<Error>,
}

impl Recorder {
    fn called(&self, handler: &'static str, request: &Request) -> Result<(), Error> {
        self.calls.borrow_mut().push(handler);
        self.request.set(Some(request.clone()));
        self.failure.clone().map_or(Ok(()), Err)
    }
}

impl Plugin for Recorder {
    fn about(&self) -> &'static str {
        "recorder"
    }

    fn add(&self, request: &Request) -> Result<CniResult, Error> {
        self.called("add", request)
            .map(|()| CniResult { routes: self.routes.clone(), ..CniResult::default() })
    }

    fn del(&self, request: &Request) -> Result<(), Error> {
        self.called("del", request)
    }

    fn check(&self, request: &Request) -> Result<(), Error> {
        self.called("check", request)
    }

    fn gc(&self, request: &Request, _: &ValidAttachments) -> Result<(), Error> {
        self.called("gc", request)
    }

    fn status(&self, request: &Request) -> Result<(), Error> {
        self.called("status", request)
    }

    fn versions(&self) -> &'static [Version] {
        self.versions.unwrap_or(&Version::ALL)
    }
}

const CONF: &str =
    r#"{"cniVersion":"1.1.0","name":"rail1","type":"recorder","cni.dev/valid-attachments":[]}"#;

/// One call with all variables, except for what a test changes.
struct Scene {
    variables: HashMap<&'static str, String>,
    stdin: String,
    /// How the answer fails to get through.
    unheard: Option<io::ErrorKind>,
}

impl Scene {
    fn new(verb: &str) -> Self {
        let variables = [
            ("CNI_COMMAND", verb),
            ("CNI_CONTAINERID", "some-container.id_1"),
            ("CNI_NETNS", "/nowhere/netns/pod"),
            ("CNI_IFNAME", "net1"),
            ("CNI_ARGS", "IgnoreUnknown=1"),
            ("CNI_PATH", "/opt/cni/bin:/usr/lib/cni"),
        ];
        let variables = variables.into_iter().map(|(name, value)| (name, value.to_owned())).collect();
        Self { variables, stdin: CONF.to_owned(), unheard: None }
    }

    fn with(mut self, name: &'static str, value: &str) -> Self {
        self.variables.insert(name, value.to_owned());
        self
    }

    fn without(mut self, names: &[&str]) -> Self {
        self.variables.retain(|name, _| !names.contains(name));
        self
    }

    fn stdin(mut self, stdin: &str) -> Self {
        stdin.clone_into(&mut self.stdin);
        self
    }

    fn serve(&self, plugin: &dyn Plugin) -> Result<Option<Value>, Error> {
        let (mut stdin, mut writer) = io::pipe().unwrap();
        writer.write_all(self.stdin.as_bytes()).unwrap();
        drop(writer);
        let variable = |name: &str| self.variables.get(name).map(OsString::from);
        let mut told = None;
        let mut answer = |value: &Value| {
            told = Some(value.clone());
            self.unheard.map_or(Ok(()), |kind| Err(kind.into()))
        };
        let call =
            Call { variable: &variable, stdin: &mut stdin, patience: input::PATIENCE, answer: &mut answer };
        call.serve(plugin).map(|()| told)
    }

    /// The code and message of the refusal; no handler may have run.
    fn refused(&self) -> (u32, String) {
        let plugin = Recorder::default();
        let error = self.serve(&plugin).unwrap_err();
        assert!(plugin.calls.borrow().is_empty(), "{:?} after {error}", plugin.calls);
        (error.code, error.msg.clone())
    }

    fn serves(&self, handler: &str) {
        let plugin = Recorder::default();
        self.serve(&plugin).unwrap();
        assert_eq!(*plugin.calls.borrow(), [handler]);
    }
}

const VERBS: [(&str, &str); 5] =
    [("ADD", "add"), ("CHECK", "check"), ("DEL", "del"), ("GC", "gc"), ("STATUS", "status")];
