//! The CRD files of the repository are those of the types, and take what the guides write.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// For `kubectl apply -f`, and the same in the chart.
const DIRECTORIES: [&str; 2] = ["deploy/crds", "deploy/chart/railcni/files/crds"];

fn directory(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(name)
}

fn file(directory: &str, name: &str) -> String {
    let path = self::directory(directory).join(format!("{name}.yaml"));
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn the_files_are_what_the_types_say() {
    for (name, crd) in api::crd::all() {
        for directory in DIRECTORIES {
            let there = yaml::documents(&file(directory, &name)).unwrap();
            assert!(there == [crd.clone()], "{directory}/{name}.yaml: run `cargo run -p crds`");
        }
    }
}

#[test]
fn no_file_is_left_of_a_kind_that_went() {
    for directory in DIRECTORIES {
        let files = fs::read_dir(self::directory(directory)).unwrap().count();
        assert_eq!(files, api::crd::all().len(), "{directory}");
    }
}

/// What apiextensions wants of a structural schema: a type everywhere, and no words that it does not know.
#[test]
fn every_schema_is_structural() {
    for (name, crd) in api::crd::all() {
        structural(&name, &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]);
    }
}

#[track_caller]
fn structural(path: &str, schema: &Value) {
    let members = schema.as_object().unwrap_or_else(|| panic!("{path} is {schema}"));
    assert!(members.contains_key("type"), "{path} has no type: {schema}");
    for key in members.keys() {
        let known = [
            "type",
            "description",
            "properties",
            "required",
            "items",
            "additionalProperties",
            "enum",
            "format",
            "minimum",
            "maximum",
            "minItems",
            "maxItems",
            "minLength",
            "maxLength",
            "x-kubernetes-list-type",
            "x-kubernetes-validations",
        ];
        assert!(known.contains(&key.as_str()), "{path}.{key} has no place in a structural schema");
    }
    for (name, below) in members.get("properties").and_then(Value::as_object).into_iter().flatten() {
        structural(&format!("{path}.{name}"), below);
    }
    for key in ["items", "additionalProperties"] {
        if let Some(below) = members.get(key) {
            structural(&format!("{path}.{key}"), below);
        }
    }
}
