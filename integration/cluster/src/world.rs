//! Hundreds of nodes that are objects of an API server and directories of the machine, for what needs no kubelet.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::api::Api;

/// An API server with nodes that nobody runs.
#[derive(Debug)]
pub struct World {
    api: Api,
    places: Vec<Place>,
}

/// What a simulated node has of a real one: its name, and the directories in which the plugins read and write.
#[derive(Debug)]
pub struct Place {
    name: String,
    base: PathBuf,
}

impl World {
    /// Nodes `node-0` and so on with these labels, made by one request.
    pub fn start(nodes: usize, labels: &Value) -> Result<Self> {
        let api = Api::start()?;
        let names: Vec<_> = (0..nodes).map(|number| format!("node-{number}")).collect();
        let objects: Vec<_> = names.iter().map(|name| object(name, labels)).collect();
        api.kubectl().create(&json!({"apiVersion": "v1", "kind": "List", "items": objects}).to_string())?;
        let base = api.dir().join("places");
        let places = names.into_iter().map(|name| Place { base: base.join(&name), name }).collect();
        Ok(Self { api, places })
    }

    /// Its API server.
    pub fn api(&self) -> &Api {
        &self.api
    }

    /// Its nodes.
    pub fn places(&self) -> &[Place] {
        &self.places
    }

    /// Takes a node out of the cluster; its directories stay.
    pub fn remove(&mut self, index: usize) -> Result<Place> {
        let place = self.places.remove(index);
        self.api.kubectl().run(&["delete", "node", &place.name])?;
        Ok(place)
    }

    /// Adds a node.
    pub fn add(&mut self, name: &str, labels: &Value) -> Result<()> {
        self.api.kubectl().create(&object(name, labels).to_string())?;
        self.places.push(Place { base: self.api.dir().join("places").join(name), name: name.into() });
        Ok(())
    }
}

impl Place {
    /// The name of its Node.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The node's /etc/railcni.
    pub fn config(&self) -> PathBuf {
        self.base.join("config")
    }

    /// The node's /run/railcni.
    pub fn state(&self) -> PathBuf {
        self.base.join("state")
    }

    /// A program as it runs on this node: with its directories.
    pub fn command(&self, program: PathBuf) -> Result<Command> {
        let mut command = Command::new(program);
        for name in ["state", "durable", "peer", "config"] {
            let dir = self.base.join(name);
            fs::create_dir_all(&dir).with_context(|| format!("create {}", dir.display()))?;
            command.env(format!("RAILCNI_{}_DIR", name.to_uppercase()), dir);
        }
        command.env("NODE_NAME", &self.name);
        Ok(command)
    }
}

fn object(name: &str, labels: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}})
}
