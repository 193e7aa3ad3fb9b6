//! The OCI image format: blobs by their digest, an index that names them.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::tar::{Entry, Tar};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// The image of one architecture.
#[derive(Debug, Clone)]
pub struct Image {
    /// As Go calls it: amd64, arm64.
    pub architecture: String,
    /// By path below the root.
    pub files: BTreeMap<String, Entry>,
    /// The program and its first arguments.
    pub entrypoint: Vec<String>,
    /// Annotations of OCI, such as `org.opencontainers.image.version`.
    pub labels: BTreeMap<String, String>,
}

/// Images of one name, an architecture each.
#[derive(Debug)]
pub struct Archive {
    blobs: BTreeMap<String, Vec<u8>>,
    index: Vec<u8>,
}

impl Archive {
    /// Makes the blobs and the index.
    pub fn new(name: &str, images: &[Image]) -> Result<Self> {
        ensure!(!images.is_empty(), "an image needs an architecture");
        let mut archive = Self { blobs: BTreeMap::new(), index: Vec::new() };
        let mut manifests = Vec::new();
        for image in images {
            manifests.push(archive.image(image).with_context(|| image.architecture.clone())?);
        }
        let mut top = match manifests.len() {
            1 => manifests.remove(0),
            _ => archive.blob(INDEX, index(&manifests).to_string().into_bytes()),
        };
        let tag = name.rsplit_once(':').map_or("latest", |(_, tag)| tag);
        top["annotations"] =
            json!({"io.containerd.image.name": name, "org.opencontainers.image.ref.name": tag});
        archive.index = index(&[top]).to_string().into_bytes();
        Ok(archive)
    }

    fn image(&mut self, image: &Image) -> Result<Value> {
        let layer = layer(&image.files)?;
        let difference = digest(&layer);
        let layer = self.blob(LAYER, layer);
        let config = json!({
            "architecture": image.architecture,
            "os": "linux",
            "config": {"Entrypoint": image.entrypoint, "Labels": image.labels, "WorkingDir": "/"},
            "rootfs": {"type": "layers", "diff_ids": [difference]},
        });
        let config = self.blob(CONFIG, config.to_string().into_bytes());
        let manifest =
            json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer]});
        let mut descriptor = self.blob(MANIFEST, manifest.to_string().into_bytes());
        descriptor["platform"] = json!({"architecture": image.architecture, "os": "linux"});
        Ok(descriptor)
    }

    /// Keeps a blob; its descriptor.
    fn blob(&mut self, media_type: &str, bytes: Vec<u8>) -> Value {
        let digest = digest(&bytes);
        let descriptor = json!({"mediaType": media_type, "digest": digest, "size": bytes.len()});
        self.blobs.insert(digest.replace(':', "/"), bytes);
        descriptor
    }

    /// As files of an OCI layout.
    fn files(&self) -> impl Iterator<Item = (String, &[u8])> {
        let head = [("oci-layout", &br#"{"imageLayoutVersion":"1.0.0"}"#[..]), ("index.json", &self.index)];
        let blobs = self.blobs.iter().map(|(path, bytes)| (format!("blobs/{path}"), &bytes[..]));
        head.into_iter().map(|(path, bytes)| (path.to_owned(), bytes)).chain(blobs)
    }

    /// The layout as one tar, as `ctr image import` and `docker load` take it.
    pub fn tar(&self) -> Result<Vec<u8>> {
        let mut tar = Tar::default();
        for dir in ["blobs", "blobs/sha256"] {
            tar.add(dir, &Entry::Directory)?;
        }
        for (path, bytes) in self.files() {
            tar.add(&path, &Entry::File(0o644, bytes.to_vec()))?;
        }
        Ok(tar.finish())
    }

    /// The layout as a directory, as `skopeo` and `crane` take it.
    pub fn write_layout(&self, dir: &Path) -> Result<()> {
        fs::create_dir_all(dir.join("blobs/sha256"))?;
        for (path, bytes) in self.files() {
            let path = dir.join(path);
            let written = File::create(&path).and_then(|mut file| file.write_all(bytes));
            written.with_context(|| format!("write {}", path.display()))?;
        }
        Ok(())
    }
}

fn index(manifests: &[Value]) -> Value {
    json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests})
}

fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold("sha256:".to_owned(), |text, byte| format!("{text}{byte:02x}"))
}

/// The files, each after the directories above it.
fn layer(files: &BTreeMap<String, Entry>) -> Result<Vec<u8>> {
    let parents = files
        .keys()
        .flat_map(|path| path.match_indices('/').map(|(at, _)| (path[..at].to_owned(), Entry::Directory)));
    let all: BTreeMap<String, Entry> = parents.chain(files.clone()).collect();
    let mut tar = Tar::default();
    all.iter().try_for_each(|(path, entry)| tar.add(path, entry))?;
    Ok(tar.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(architecture: &str) -> Image {
        Image {
            architecture: architecture.into(),
            files: [("usr/bin/tool".to_owned(), Entry::File(0o755, architecture.into()))].into(),
            entrypoint: vec!["/usr/bin/tool".into()],
            labels: BTreeMap::new(),
        }
    }

    #[test]
    fn every_descriptor_leads_to_a_blob_of_its_size() {
        let archive = Archive::new("lab/tool:1", &[image("amd64"), image("arm64")]).unwrap();
        let read = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).unwrap();
        let follow = |descriptor: &Value| {
            let digest = descriptor["digest"].as_str().unwrap();
            let blob = &archive.blobs[&digest.replace(':', "/")];
            assert_eq!(descriptor["size"], blob.len());
            assert_eq!(super::digest(blob), digest);
            blob.clone()
        };
        let list = read(&follow(&read(&archive.index)["manifests"][0]));
        let architectures = list["manifests"].as_array().unwrap().iter().map(|descriptor| {
            let manifest = read(&follow(descriptor));
            follow(&manifest["layers"][0]);
            read(&follow(&manifest["config"]))["architecture"].clone()
        });
        assert_eq!(architectures.collect::<Vec<_>>(), ["amd64", "arm64"]);
    }
}
