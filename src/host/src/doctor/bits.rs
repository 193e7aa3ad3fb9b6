//! PCI Express config space: what is not a file of its own in sysfs.

const CAPABILITIES: usize = 0x34;
const EXPRESS: u8 = 0x10;
/// Device Control, in the capability of PCI Express.
const CONTROL: usize = 8;
const EXTENDED: usize = 0x100;
const ACS: u16 = 0x0d;
const ACS_CONTROL: usize = 6;
/// A list that is longer leads in a circle.
const LONGEST: usize = 96;

fn u16_at(config: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(*config.get(at..)?.first_chunk()?))
}

/// The largest read request, in bytes. Without privileges the kernel shows the first 64 bytes only, where no capability is.
pub(super) fn read_request(config: &[u8]) -> Option<u32> {
    let mut at = usize::from(*config.get(CAPABILITIES)?);
    for _ in 0..LONGEST {
        if at < 0x40 {
            return None;
        }
        let &[kind, next, ..] = config.get(at..)? else { return None };
        if kind == EXPRESS {
            let control = u16_at(config, at + CONTROL)?;
            return Some(128 << (control >> 12 & 7));
        }
        at = usize::from(next);
    }
    None
}

/// The control word of access control services, of a bridge that has them.
pub(super) fn acs(config: &[u8]) -> Option<u16> {
    let mut at = EXTENDED;
    for _ in 0..LONGEST {
        let (kind, next) = (u16_at(config, at)?, u16_at(config, at + 2)? >> 4);
        if kind == ACS {
            return u16_at(config, at + ACS_CONTROL);
        }
        at = usize::from(next);
        if at < EXTENDED {
            return None;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A capability list 0x40 (power) -> 0x60 (Express), and an extended one 0x100 (AER) -> 0x140 (ACS).
    fn config(control: u16, acs: u16) -> Vec<u8> {
        let mut config = vec![0; 4096];
        config[CAPABILITIES] = 0x40;
        config[0x40..0x42].copy_from_slice(&[1, 0x60]);
        config[0x60..0x62].copy_from_slice(&[EXPRESS, 0]);
        config[0x68..0x6a].copy_from_slice(&control.to_le_bytes());
        config[0x100..0x104].copy_from_slice(&[1, 0, 1, 0x14]);
        config[0x140..0x144].copy_from_slice(&[0x0d, 0, 1, 0]);
        config[0x146..0x148].copy_from_slice(&acs.to_le_bytes());
        config
    }

    #[test]
    fn the_read_request_and_access_control_are_found() {
        assert_eq!(read_request(&config(5 << 12, 0)), Some(4096));
        assert_eq!(read_request(&config(2 << 12 | 0x810, 0)), Some(512));
        assert_eq!(acs(&config(0, 0x1d)), Some(0x1d));
    }

    #[test]
    fn a_short_or_circular_config_space_says_nothing() {
        let whole = config(5 << 12, 4);
        for length in 0..0x160 {
            let _ = (read_request(&whole[..length]), acs(&whole[..length]));
        }
        assert_eq!(read_request(&whole[..64]), None);
        assert_eq!(acs(&whole[..256]), None);
        let mut circle = whole;
        circle[0x41] = 0x40;
        circle[0x102..0x104].copy_from_slice(&[1, 0x10]);
        assert_eq!((read_request(&circle), acs(&circle)), (None, None));
    }
}
