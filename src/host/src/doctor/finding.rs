use serde::Serialize;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Level {
    /// As it should be.
    Good,
    /// Worth knowing.
    Info,
    /// Slow or unstable.
    Warning,
    /// Jobs will fail.
    Error,
}

/// Which question is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "each is explained in docs/doctor.md")]
pub enum Check {
    Device,
    Guid,
    NetnsMode,
    CharDevice,
    Gid,
    Mtu,
    Qos,
    GpuDirect,
    Pcie,
    Numa,
    Pkey,
    Resources,
    Cni,
    HostFile,
    Leaf,
    Ping,
}

impl Check {
    /// As people call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Device => "device",
            Self::Guid => "guid",
            Self::NetnsMode => "netns mode",
            Self::CharDevice => "char device",
            Self::Gid => "gid",
            Self::Mtu => "mtu",
            Self::Qos => "qos",
            Self::GpuDirect => "gpudirect",
            Self::Pcie => "pcie",
            Self::Numa => "numa",
            Self::Pkey => "pkey",
            Self::Resources => "resources",
            Self::Cni => "cni",
            Self::HostFile => "host file",
            Self::Leaf => "leaf",
            Self::Ping => "ping",
        }
    }
}

/// One answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// To which question.
    pub check: Check,
    /// How bad it is.
    pub level: Level,
    /// Of what: `mlx5_0/1`.
    pub subject: String,
    /// As it is.
    pub value: String,
    /// As it should be; empty where that is as it is.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub wanted: String,
    /// The file or the message that told.
    pub source: String,
    /// The command that cures it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub cure: String,
}

impl Finding {
    pub(crate) fn good(
        check: Check,
        subject: &str,
        value: impl Into<String>,
        source: impl Into<String>,
    ) -> Self {
        let (subject, value, source) = (subject.to_owned(), value.into(), source.into());
        Self { check, level: Level::Good, subject, value, wanted: String::new(), source, cure: String::new() }
    }

    pub(crate) fn bad(self, level: Level, wanted: impl Into<String>, cure: impl Into<String>) -> Self {
        Self { level, wanted: wanted.into(), cure: cure.into(), ..self }
    }

    /// Bad if `is_bad`.
    pub(crate) fn unless(
        self,
        is_good: bool,
        level: Level,
        wanted: impl Into<String>,
        cure: impl Into<String>,
    ) -> Self {
        if is_good { self } else { self.bad(level, wanted, cure) }
    }
}
