use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use super::*;
use crate::file;

const FORMAT: Format = Format { magic: *b"test-log", version: 3 };

type Payloads = Vec<Vec<u8>>;

fn slices(payloads: &[Vec<u8>]) -> Vec<&[u8]> {
    payloads.iter().map(Vec::as_slice).collect()
}

fn image(payloads: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = codec::header(FORMAT, 7).to_vec();
    codec::records(&mut bytes, 0, slices(payloads));
    bytes
}

fn parse(bytes: &[u8]) -> Result<Replay, Error> {
    Replay::parse(Path::new("journal"), FORMAT, bytes.to_vec())
}

/// How many of the records lie wholly before `offset`.
fn whole_before(payloads: &[Vec<u8>], offset: usize) -> usize {
    let ends = payloads.iter().scan(codec::HEADER, |end, payload| {
        *end += codec::RECORD + payload.len();
        Some(*end)
    });
    ends.take_while(|end| *end <= offset).count()
}

fn payloads() -> impl Strategy<Value = Payloads> {
    vec(vec(any::<u8>(), 0..40), 0..8)
}

fn open(path: &Path) -> (Journal, Replay) {
    Journal::open(path, FORMAT, Durability::Boot).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_truncation_replays_to_the_records_before_it(payloads in payloads()) {
        let bytes = image(&payloads);
        for len in 0..bytes.len() {
            let replay = parse(&bytes[..len]);
            prop_assert_eq!(replay.is_err(), len < codec::HEADER);
            if let Ok(replay) = replay {
                let whole = whole_before(&payloads, len);
                prop_assert_eq!(replay.records().collect::<Vec<_>>(), &slices(&payloads)[..whole]);
                prop_assert_eq!(replay.tail().map_or(replay.end(), |tail| tail.at + tail.bytes), len);
            }
        }
    }

    #[test]
    fn every_changed_byte_costs_its_record_alone_and_is_told(payloads in payloads(), flip in 1..=255_u8) {
        let mut bytes = image(&payloads);
        for at in 0..bytes.len() {
            bytes[at] ^= flip;
            let replay = parse(&bytes);
            bytes[at] ^= flip;
            prop_assert_eq!(replay.is_err(), at < codec::HEADER);
            if let Ok(replay) = replay {
                let mut left = slices(&payloads);
                let lost = left.remove(whole_before(&payloads, at));
                prop_assert_eq!(replay.records().collect::<Vec<_>>(), left);
                prop_assert_eq!(replay.damage().map(|damage| damage.bytes), Some(codec::RECORD + lost.len()));
                prop_assert_eq!((replay.tail(), replay.end()), (None, bytes.len()));
            }
        }
    }

    /// What is appended behind damage is found again, and the damage, too.
    #[test]
    fn damage_is_not_written_over(before in vec(vec(any::<u8>(), 0..40), 1..8), after in payloads(), flip in 1..=255_u8) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let image = image(&before);
        for at in (codec::HEADER..image.len()).step_by(5) {
            let mut bytes = image.clone();
            bytes[at] ^= flip;
            file::replace(&path, &bytes).unwrap();
            let (mut journal, replay) = open(&path);
            journal.append(&slices(&after)).unwrap();
            let again = read(&path, FORMAT).unwrap().unwrap();
            let records = replay.records().chain(slices(&after)).collect::<Vec<_>>();
            prop_assert_eq!(again.records().collect::<Vec<_>>(), records);
            prop_assert_eq!(again.damage(), replay.damage());
        }
    }

    /// Holes of any length, in any number.
    #[test]
    fn what_the_checksums_prove_is_replayed(payloads in payloads(), holes in vec((any::<Index>(), 1..30_usize, any::<u8>()), 1..4)) {
        let mut bytes = image(&payloads);
        for (place, len, filling) in holes {
            let at = codec::HEADER + place.index(bytes.len() - codec::HEADER + 1);
            let end = bytes.len().min(at + len);
            bytes[at..end].fill(filling);
        }
        let replay = parse(&bytes).unwrap();
        let all = slices(&payloads);
        let mut left = all.iter();
        prop_assert!(replay.records().all(|record| left.any(|other| *other == record)), "each once and in order");
        let is_whole = replay.records().len() == all.len();
        prop_assert!(is_whole || replay.damage().is_some() || replay.tail().is_some());
    }

    #[test]
    fn noise_never_panics(noise in vec(any::<u8>(), 0..200), headed in any::<bool>()) {
        let mut bytes = if headed { image(&[]) } else { Vec::new() };
        bytes.extend(noise);
        prop_assert!(parse(&bytes).map_or(true, |replay| replay.records().len() <= bytes.len()));
    }

    #[test]
    fn a_torn_tail_is_written_over(before in payloads(), torn in vec(any::<u8>(), 0..40), cut in any::<Index>(), after in payloads()) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let (whole, with) = (image(&before).len(), image(&[before.clone(), vec![torn]].concat()));
        let cut = 1 + cut.index(with.len() - whole - 1);
        let (bytes, torn) = (&with[..whole + cut], &with[whole..whole + cut]);
        file::replace(&path, bytes).unwrap();
        let (mut journal, replay) = open(&path);
        prop_assert_eq!(replay.tail().unwrap().bytes, torn.len());
        journal.append(&slices(&after)).unwrap();
        journal.finish().sync().unwrap();
        prop_assert_eq!(file::read(&path).unwrap().unwrap(), image(&[before, after].concat()));
    }
}

#[test]
fn what_is_appended_is_replayed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    for (round, durability) in [Durability::Boot, Durability::Disk, Durability::Boot].into_iter().enumerate()
    {
        let (mut journal, replay) = Journal::open(&path, FORMAT, durability).unwrap();
        assert_eq!(replay.records().len(), 3 * round);
        journal.append(&[b"one", b""]).unwrap();
        journal.append(&[b"three"]).unwrap();
        journal.finish().sync().unwrap();
    }
    let replay = read(&path, FORMAT).unwrap().unwrap();
    assert_eq!(replay.records().collect::<Vec<_>>(), [b"one".as_slice(), b"", b"three"].repeat(3));
    assert_eq!((replay.digest(), replay.tail()), (0, None));
}

#[test]
fn a_rewrite_replaces_everything_and_appending_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let (mut journal, _) = open(&path);
    journal.append(&[b"old".as_slice(); 100]).unwrap();
    journal.rewrite(42, [b"kept".as_slice()]).unwrap();
    journal.append(&[b"new"]).unwrap();
    journal.finish().sync().unwrap();
    let replay = read(&path, FORMAT).unwrap().unwrap();
    assert_eq!(replay.digest(), 42);
    assert_eq!(replay.records().collect::<Vec<_>>(), [b"kept".as_slice(), b"new"]);
    assert_eq!(file::names(folder.path()).unwrap(), ["journal"]);
}

#[test]
fn a_lock_free_reader_sees_a_prefix_at_any_time() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let (mut journal, _) = open(&path);
    let check = || {
        let replay = read(&path, FORMAT).unwrap().unwrap();
        let numbers = replay.records().map(|payload| payload[0]).collect::<Vec<_>>();
        assert_eq!(numbers, (0..).take(numbers.len()).collect::<Vec<u8>>());
        numbers.len()
    };
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| while check() < 200 {});
        for number in 0..200_u8 {
            journal.append(&[&[number; 300]]).unwrap();
            if number % 50 == 0 {
                let kept = (0..=number).map(|number| [number; 300]).collect::<Vec<_>>();
                journal.rewrite(0, kept.iter().map(<[u8; 300]>::as_slice)).unwrap();
            }
        }
        reader.join().unwrap();
    });
}

#[test]
fn another_journal_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let other = |magic: &[u8; 8], version| codec::header(Format { magic: *magic, version }, 0).to_vec();
    let mut damaged = image(&[]);
    damaged[20] ^= 1;
    let cases = [
        (other(b"elsewise", 3), "it begins with \"elsewise\""),
        (other(b"test-log", 4), "format 4 instead of 3"),
        (damaged, "the checksum of its header is wrong"),
        (b"127.0.0.1".to_vec(), "9 bytes long"),
    ];
    for (bytes, expected) in cases {
        file::replace(&path, &bytes).unwrap();
        let said = Journal::open(&path, FORMAT, Durability::Boot).unwrap_err().to_string();
        assert!(said.contains(expected) && said.starts_with(&path.display().to_string()), "{said}");
        assert_eq!(file::read(&path).unwrap().unwrap(), bytes);
    }
}

#[test]
fn reading_makes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    assert!(read(&folder.path().join("journal"), FORMAT).unwrap().is_none());
    assert!(file::names(folder.path()).unwrap().is_empty());
}

/// Else everybody who only looks at a journal, as a DEL does, fails where those go on who make it longer.
#[test]
fn a_journal_is_read_as_long_as_it_may_be_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let (mut journal, _) = open(&path);
    let payload = vec![7; 1 << 20];
    for _ in 0..17 {
        journal.append(&[&payload]).unwrap();
    }
    assert!(std::fs::metadata(&path).unwrap().len() > file::LIMIT);
    assert_eq!(read(&path, FORMAT).unwrap().unwrap().records().count(), 17);
}
