//! The keys of one cluster, made by openssl.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command::output;
use crate::file::put;
use anyhow::{Context, Result};

/// Certificates and keys below one directory.
#[derive(Debug, Clone)]
pub(crate) struct Certificates(PathBuf);

impl Certificates {
    /// An authority, a certificate of the API server for these addresses, and the key that signs service account tokens.
    pub(crate) fn create(dir: &Path, addresses: &[Ipv4Addr]) -> Result<Self> {
        let these = Self(dir.to_owned());
        put(&these.path("openssl.conf"), configuration(addresses))?;
        these.certificate("ca", &[]).context("make the cluster's certificate authority")?;
        these.certificate("apiserver", &["-CA", "ca.crt", "-CAkey", "ca.key"])?;
        these.openssl(&["genpkey", "-algorithm", "EC", "-pkeyopt", CURVE, "-out", "tokens.key"])?;
        these.openssl(&["pkey", "-in", "tokens.key", "-pubout", "-out", "tokens.pub"])?;
        Ok(these)
    }

    /// One of ca.crt, apiserver.crt, apiserver.key, tokens.key, tokens.pub.
    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.0.join(file)
    }

    fn certificate(&self, name: &str, signer: &[&str]) -> Result<()> {
        let (key, certificate) = (format!("{name}.key"), format!("{name}.crt"));
        let mut args = vec!["req", "-x509", "-config", "openssl.conf", "-extensions", name, "-nodes"];
        args.extend(["-newkey", "ec", "-pkeyopt", CURVE, "-days", "2", "-subj"]);
        let subject = format!("/CN=railcni-{name}");
        args.extend([&subject, "-keyout", &key, "-out", &certificate]);
        args.extend(signer);
        self.openssl(&args)
    }

    fn openssl(&self, args: &[&str]) -> Result<()> {
        let mut command = Command::new("openssl");
        output(command.args(args).current_dir(&self.0)).context("openssl, which `make setup` installs")?;
        Ok(())
    }
}

const CURVE: &str = "ec_paramgen_curve:P-256";

fn configuration(addresses: &[Ipv4Addr]) -> String {
    let addresses = addresses.iter().fold(String::new(), |list, address| format!("{list},IP:{address}"));
    format!(
        "[req]\ndistinguished_name = name\n[name]\n\
         [ca]\nbasicConstraints = critical,CA:TRUE\nkeyUsage = critical,keyCertSign,digitalSignature\n\
         subjectKeyIdentifier = hash\n\
         [apiserver]\nbasicConstraints = CA:FALSE\nkeyUsage = critical,digitalSignature\n\
         extendedKeyUsage = serverAuth\n\
         subjectAltName = DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc{addresses}\n"
    )
}
