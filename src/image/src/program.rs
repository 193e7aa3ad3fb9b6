//! What a program has to be to run in an image that has nothing else: an ELF file of the right machine, and static.

use anyhow::{Context, Result, bail, ensure};

const LOAD: u64 = 1;
const INTERPRETER: u64 = 3;
/// Arm's kernels have pages of 4, 16 or 64 KiB; a segment that is aligned to less is not loaded by the last.
const LARGEST_PAGE: u64 = 64 << 10;

/// Refuses a file that could not run.
pub fn check_program(architecture: &str, bytes: &[u8]) -> Result<()> {
    ensure!(bytes.starts_with(b"\x7fELF\x02\x01"), "no 64-bit ELF program");
    let machine = number(bytes, 18, 2)?;
    let (wanted, page) = match architecture {
        "amd64" => (62, 4 << 10),
        "arm64" => (183, LARGEST_PAGE),
        other => bail!("architecture {other} is none of amd64, arm64"),
    };
    ensure!(machine == wanted, "it is of machine {machine}, and {architecture} is {wanted}");
    let (table, size, count) = (number(bytes, 32, 8)?, number(bytes, 54, 2)?, number(bytes, 56, 2)?);
    for index in 0..count {
        let at = table.checked_add(index * size).context("program headers lead out of the file")?;
        let at = usize::try_from(at)?;
        let kind = number(bytes, at, 4)?;
        ensure!(kind != INTERPRETER, "it is not static: an image from scratch has no libraries");
        let alignment = number(bytes, at.saturating_add(48), 8)?;
        ensure!(
            kind != LOAD || alignment >= page,
            "its segments are aligned to {alignment} bytes, pages are of {page}"
        );
    }
    Ok(())
}

/// A little-endian number of the file.
fn number(bytes: &[u8], at: usize, width: usize) -> Result<u64> {
    let field = at.checked_add(width).and_then(|end| bytes.get(at..end));
    let field = field.context("the file is cut off")?;
    Ok(field.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A header with one program header of this kind.
    fn program(machine: u8, kind: u8) -> Vec<u8> {
        let mut bytes = vec![0; 64 + 56];
        bytes[64 + 48 + 2] = 1;
        bytes[..6].copy_from_slice(b"\x7fELF\x02\x01");
        (bytes[18], bytes[32], bytes[54], bytes[56], bytes[64]) = (machine, 64, 56, 1, kind);
        bytes
    }

    #[test]
    fn only_a_static_program_of_the_architecture_is_taken() {
        assert!(check_program("amd64", &program(62, 1)).is_ok());
        assert!(check_program("arm64", &program(183, 1)).is_ok());
        for (architecture, bytes) in [
            ("arm64", program(62, 1)),
            ("amd64", program(62, 3)),
            ("riscv", program(62, 1)),
            ("amd64", program(62, 1)[..66].to_vec()),
            ("amd64", b"#!/bin/sh".to_vec()),
        ] {
            assert!(check_program(architecture, &bytes).is_err());
        }
        let mut small = program(183, 1);
        (small[64 + 48 + 2], small[64 + 48 + 1]) = (0, 0x10);
        assert!(check_program("arm64", &small).unwrap_err().to_string().contains("65536"));
        let mut far = program(62, 1);
        far[32..40].fill(0xff);
        assert!(check_program("amd64", &far).is_err());
    }
}
