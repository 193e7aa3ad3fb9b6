//! Lossless traffic classes.

use std::ops::RangeInclusive;

use crate::Error;

/// The priority that pauses, that of congestion notifications, and the DSCPs that stand for them. The switches have the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Roce {
    /// Pauses in place of dropping, 0 to 7.
    pub priority: u8,
    /// Of RDMA traffic, 0 to 63.
    pub dscp: u8,
    /// Of congestion notifications (CNP).
    pub cnp_priority: u8,
    /// Of congestion notifications.
    pub cnp_dscp: u8,
}

const PRIORITIES: RangeInclusive<u8> = 0..=7;
const DSCPS: RangeInclusive<u8> = 0..=63;

impl Roce {
    /// As Spiderpool's script has it.
    pub const SPIDERPOOL: Self = Self { priority: 5, dscp: 40, cnp_priority: 6, cnp_dscp: 48 };
    /// As NVIDIA's reference configuration has it.
    pub const NVIDIA: Self = Self { priority: 3, dscp: 26, cnp_priority: 6, cnp_dscp: 48 };

    /// What RDMA traffic has in the `ToS` byte.
    pub fn tos(self) -> u8 {
        self.dscp << 2
    }

    pub(crate) fn verified(self) -> Result<Self, Error> {
        for (key, value, allowed) in [
            ("priority", self.priority, PRIORITIES),
            ("cnpPriority", self.cnp_priority, PRIORITIES),
            ("dscp", self.dscp, DSCPS),
            ("cnpDscp", self.cnp_dscp, DSCPS),
        ] {
            if !allowed.contains(&value) {
                let (low, high) = allowed.into_inner();
                let problem = format!("{low} to {high} is allowed");
                return Err(Error::setting(format!("roce.{key}"), Some(&value.to_string()), problem));
            }
        }
        for (key, own, of) in
            [("cnpPriority", self.cnp_priority, self.priority), ("cnpDscp", self.cnp_dscp, self.dscp)]
        {
            if own == of {
                let problem = "RDMA traffic has the same: notifications must not wait behind what they are to slow down";
                return Err(Error::setting(format!("roce.{key}"), Some(&own.to_string()), problem));
            }
        }
        Ok(self)
    }
}
