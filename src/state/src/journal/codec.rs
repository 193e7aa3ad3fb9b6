use super::Format;

pub(super) const HEADER: usize = 24;
pub(super) const RECORD: usize = 16;

pub(super) fn header(format: Format, digest: u64) -> [u8; HEADER] {
    let mut bytes = [0; HEADER];
    bytes[..8].copy_from_slice(&format.magic);
    bytes[8..12].copy_from_slice(&format.version.to_le_bytes());
    bytes[16..].copy_from_slice(&digest.to_le_bytes());
    let crc = header_crc(&bytes);
    bytes[12..16].copy_from_slice(&crc.to_le_bytes());
    bytes
}

pub(super) fn header_crc(bytes: &[u8; HEADER]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&bytes[..12]);
    hasher.update(&bytes[16..]);
    hasher.finalize()
}

/// Adds the records to `out`, numbered from `seq + 1` on; the last number is returned.
pub(super) fn records<'a>(
    out: &mut Vec<u8>,
    mut seq: u64,
    payloads: impl IntoIterator<Item = &'a [u8]>,
) -> u64 {
    for payload in payloads {
        seq += 1;
        record(out, seq, payload);
    }
    seq
}

fn record(out: &mut Vec<u8>, seq: u64, payload: &[u8]) {
    let len = u32::try_from(payload.len()).expect("a record is far smaller than 4 GiB").to_le_bytes();
    let start = out.len();
    out.extend_from_slice(&len);
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&seq.to_le_bytes());
    out.extend_from_slice(payload);
    let crc = record_crc(len, &out[start + 8..]);
    out[start + 4..start + 8].copy_from_slice(&crc.to_le_bytes());
}

/// `rest` is the sequence number and the payload, side by side as in the file. The length is mixed in by starting from
/// it, which is cheaper than hashing four bytes by themselves.
pub(super) fn record_crc(len: [u8; 4], rest: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new_with_initial(u32::from_le_bytes(len));
    hasher.update(rest);
    hasher.finalize()
}

/// The little-endian number of the first bytes; the caller has checked that they are there.
pub(super) fn number<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&bytes[..N]);
    out
}
