//! What the controller asks of the API server, and what that answers.

use api::{RailBlock, RailBlockSpec, RailNode};
use grants::{Answer, Request};
use serde_json::json;

use crate::connection::{Connection, Failure, object, path};

/// Keeps a block in place, whoever deletes it: it is the only place that says whose an address is.
const FINALIZER: &str = "railcni.dev/ledger";

pub(super) async fn execute(connection: &Connection, request: &Request) -> Answer {
    let blocks = path::<RailBlock>();
    let nodes = path::<RailNode>();
    let stored = match request {
        Request::CreateBlock(name, spec) => {
            block(connection.create(&blocks, &ledger(name, None, spec)).await)
        }
        Request::ReplaceBlock(name, version, spec) => {
            block(connection.replace(&blocks, name, &ledger(name, Some(version), spec)).await)
        }
        Request::ReadBlock(name) => block(connection.get(&blocks, name).await),
        Request::ReadNode(name) => node(connection.get(&nodes, name).await),
        Request::PatchNode(name, expected, spec) => {
            let operations = json!([
                { "op": "test", "path": "/metadata/uid", "value": expected.uid },
                { "op": "test", "path": "/spec/epoch", "value": expected.epoch },
                { "op": "replace", "path": "/spec", "value": spec },
            ]);
            node(connection.patch(&nodes, name, false, operations).await)
        }
    };
    match stored {
        Ok(answer) => answer,
        Err(Failure::Missing) => Answer::Missing,
        Err(Failure::Refused(_)) => Answer::Refused,
        Err(Failure::Unknown(problem)) => {
            eprintln!("raild: {problem}");
            Answer::Unknown
        }
    }
}

fn ledger(name: &str, version: Option<&String>, spec: &RailBlockSpec) -> serde_json::Value {
    object::<RailBlock>(&json!({ "name": name, "resourceVersion": version, "finalizers": [FINALIZER] }), spec)
}

fn block(stored: Result<RailBlock, Failure>) -> Result<Answer, Failure> {
    stored.map(|block| Answer::Block(Box::new(block)))
}

fn node(stored: Result<RailNode, Failure>) -> Result<Answer, Failure> {
    stored.map(|node| Answer::Node(Box::new(node)))
}
