use std::fmt;

use netlink::link::VlanProtocol;
use netlink::vf::{Vf, VfChange, VfLinkState, VfVlan};
use netlink::{Guid, HwAddr};
use serde::{Deserialize, Serialize};

/// Attributes of a VF that its PF keeps. `None` is unknown, or of no concern.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Attributes {
    /// Administrative MAC; zero is none.
    pub mac: Option<HwAddr>,
    /// VLAN; id 0 is none.
    pub vlan: Option<Vlan>,
    /// Rates, which the kernel knows only together.
    pub rate: Option<Rate>,
    /// Spoof check
    pub spoofchk: Option<bool>,
    /// Trust
    pub trust: Option<bool>,
    /// Link state
    pub link_state: Option<LinkState>,
    /// Node GUID (InfiniBand)
    pub node_guid: Option<Guid>,
    /// Port GUID (InfiniBand)
    pub port_guid: Option<Guid>,
}

/// A VLAN that the PF adds to a VF's frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vlan {
    /// 0 to 4094
    pub id: u16,
    /// 0 to 7
    pub qos: u8,
    /// Ethertype: 0x8100 or 0x88a8.
    pub protocol: u16,
}

/// Transmit rates in Mbit/s; 0 is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rate {
    /// Guaranteed
    pub min: u32,
    /// Greatest
    pub max: u32,
}

/// Whether a VF's link follows the PF's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LinkState {
    /// It does.
    Auto,
    /// It is always up.
    Enable,
    /// It is always down.
    Disable,
}

/// One attribute with its value, for messages and one-by-one requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setting(pub(super) VfChange);

impl Vlan {
    /// 802.1Q
    pub const DOT1Q: u16 = 0x8100;
    /// 802.1ad
    pub const DOT1AD: u16 = 0x88a8;
}

impl LinkState {
    /// `IFLA_VF_LINK_STATE_*`
    pub fn raw(self) -> u32 {
        match self {
            Self::Auto => 0,
            Self::Enable => 1,
            Self::Disable => 2,
        }
    }

    /// The reverse.
    pub fn from_raw(raw: u32) -> Option<Self> {
        Self::of(raw.into())
    }

    fn of(state: VfLinkState) -> Option<Self> {
        match state {
            VfLinkState::Auto => Some(Self::Auto),
            VfLinkState::Enable => Some(Self::Enable),
            VfLinkState::Disable => Some(Self::Disable),
            _ => None,
        }
    }
}

impl From<LinkState> for VfLinkState {
    fn from(state: LinkState) -> Self {
        match state {
            LinkState::Auto => Self::Auto,
            LinkState::Enable => Self::Enable,
            LinkState::Disable => Self::Disable,
        }
    }
}

impl From<Vlan> for VfVlan {
    fn from(vlan: Vlan) -> Self {
        let ad = vlan.protocol == Vlan::DOT1AD;
        let protocol = if ad { VlanProtocol::Ieee8021Ad } else { VlanProtocol::Ieee8021Q };
        Self { id: vlan.id, qos: vlan.qos, protocol }
    }
}

impl Attributes {
    /// All that the PF reports.
    pub fn of(vf: &Vf) -> Self {
        Self {
            mac: vf.address,
            vlan: Some(Vlan { id: vf.vlan.id, qos: vf.vlan.qos, protocol: vf.vlan.protocol.into() }),
            rate: Some(Rate { min: vf.min_tx_rate, max: vf.max_tx_rate }),
            spoofchk: vf.spoofchk,
            trust: vf.trust,
            link_state: vf.link_state.and_then(LinkState::of),
            node_guid: vf.node_guid,
            port_guid: vf.port_guid,
        }
    }

    /// As a PF has a VF that nobody has set up. Whether it then checks for spoofed addresses is its driver's choice.
    pub(crate) fn defaults() -> Self {
        Self {
            mac: Some([0; 6].into()),
            vlan: Some(Vlan { id: 0, qos: 0, protocol: Vlan::DOT1Q }),
            rate: Some(Rate::default()),
            trust: Some(false),
            link_state: Some(LinkState::Auto),
            ..Self::default()
        }
    }

    /// What has to change for `now` to become this.
    pub fn change(&self, now: &Self) -> VfChange {
        VfChange {
            address: differing(self.mac, now.mac),
            vlan: self.vlan.filter(|vlan| !vlan.is_same(now.vlan)).map(Into::into),
            rate: differing(self.rate, now.rate).map(|rate| (rate.min, rate.max)),
            spoofchk: differing(self.spoofchk, now.spoofchk),
            link_state: differing(self.link_state, now.link_state).map(Into::into),
            trust: differing(self.trust, now.trust),
            node_guid: differing(self.node_guid, now.node_guid),
            port_guid: differing(self.port_guid, now.port_guid),
        }
    }

    /// The config key of the first attribute that needs the PF; taking away what is not there needs none.
    pub fn first_option(&self) -> Option<&'static str> {
        let vlan = self.vlan.is_some_and(|vlan| vlan.id != 0 || vlan.qos != 0);
        [
            (vlan, "vlan"),
            (self.rate.is_some_and(|rate| rate != Rate::default()), "min_tx_rate/max_tx_rate"),
            (self.spoofchk.is_some(), "spoofchk"),
            (self.trust.is_some(), "trust"),
            (self.link_state.is_some(), "link_state"),
            (self.node_guid.is_some() || self.port_guid.is_some(), "guid"),
        ]
        .into_iter()
        .find_map(|(wanted, name)| wanted.then_some(name))
    }

    /// Differences a line each, with this as what is expected.
    pub fn differences(&self, now: &Self) -> Vec<String> {
        let found = settings(&now.change(&Self::default()));
        let told = |wanted: &Setting| {
            let name = wanted.name();
            let have = found.iter().find(|setting| setting.name() == name);
            format!(
                "its {name} is {}, expected {}",
                have.map_or("unknown".to_owned(), Setting::value),
                wanted.value()
            )
        };
        settings(&self.change(now)).iter().map(told).collect()
    }
}

impl Vlan {
    /// Without a VLAN the protocol means nothing.
    fn is_same(self, now: Option<Self>) -> bool {
        let none = |vlan: Self| vlan.id == 0 && vlan.qos == 0;
        now.is_some_and(|now| now == self || (none(now) && none(self)))
    }
}

fn differing<T: PartialEq + Copy>(wanted: Option<T>, now: Option<T>) -> Option<T> {
    wanted.filter(|_| wanted != now)
}

/// The parts of a change, in the order in which the kernel works through them (`do_setvfinfo`, net/core/rtnetlink.c).
pub(super) fn settings(change: &VfChange) -> Vec<Setting> {
    let one = VfChange::default;
    let optional = [
        change.address.map(|address| VfChange { address: Some(address), ..one() }),
        change.vlan.map(|vlan| VfChange { vlan: Some(vlan), ..one() }),
        change.rate.map(|rate| VfChange { rate: Some(rate), ..one() }),
        change.spoofchk.map(|on| VfChange { spoofchk: Some(on), ..one() }),
        change.link_state.map(|state| VfChange { link_state: Some(state), ..one() }),
        change.trust.map(|on| VfChange { trust: Some(on), ..one() }),
        change.node_guid.map(|guid| VfChange { node_guid: Some(guid), ..one() }),
        change.port_guid.map(|guid| VfChange { port_guid: Some(guid), ..one() }),
    ];
    optional.into_iter().flatten().map(Setting).collect()
}

impl Setting {
    /// What a driver that does not know the attribute does anyway: refusing to do that is no failure.
    pub(super) fn is_neutral(&self) -> bool {
        let change = &self.0;
        change.vlan.is_some_and(|vlan| vlan.id == 0 && vlan.qos == 0)
            || change.rate == Some((0, 0))
            || change.trust == Some(false)
            || change.link_state == Some(VfLinkState::Auto)
            || change.address.is_some_and(|address| address.is_zero())
    }

    fn name(&self) -> &'static str {
        let change = &self.0;
        [
            (change.address.is_some(), "administrative MAC"),
            (change.vlan.is_some(), "vlan"),
            (change.rate.is_some(), "rate"),
            (change.spoofchk.is_some(), "spoofchk"),
            (change.link_state.is_some(), "link_state"),
            (change.trust.is_some(), "trust"),
            (change.node_guid.is_some(), "node_guid"),
        ]
        .into_iter()
        .find_map(|(is, name)| is.then_some(name))
        .unwrap_or("port_guid")
    }

    /// Without the name that netlink puts before it.
    fn value(&self) -> String {
        let text = self.0.to_string();
        match text.split_once(' ') {
            Some((_, value)) if self.0.rate.is_none() => value.to_owned(),
            _ => text,
        }
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name(), self.value())
    }
}

#[cfg(test)]
mod tests;
