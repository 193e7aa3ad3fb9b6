const NOT_AS_LEFT: &str = " is not as ADD left it";
const BETWEEN: &str = "; ";

/// CHECK's answer to the differences that were found.
pub fn verdict(ifname: &str, found: &[String]) -> Result<(), cni::Error> {
    let mut distinct: Vec<&str> = Vec::new();
    for line in found.iter().map(String::as_str) {
        if !distinct.contains(&line) {
            distinct.push(line);
        }
    }
    match distinct.as_slice() {
        [] => Ok(()),
        [one] => Err(cni::Error::internal(format!("{ifname}{NOT_AS_LEFT}: {one}"))),
        several => Err(cni::Error::internal(format!(
            "{ifname}{NOT_AS_LEFT}, in {} ways: {}",
            several.len(),
            several.join(BETWEEN)
        ))),
    }
}

/// Such an answer taken apart again, for people and programs: what it is about, and each difference. `None` of any other message,
/// and where it cannot be told where a difference ends.
pub fn differences(message: &str) -> Option<(&str, Vec<&str>)> {
    let (what, rest) = message.split_once(NOT_AS_LEFT)?;
    if let Some(one) = rest.strip_prefix(": ") {
        return Some((what, vec![one]));
    }
    let (count, several) = rest.strip_prefix(", in ")?.split_once(" ways: ")?;
    let several: Vec<&str> = several.split(BETWEEN).collect();
    (count.parse() == Ok(several.len())).then_some((what, several))
}

/// STATUS: the same error, as the code that says that the plugin cannot serve now.
pub fn not_available(mut error: cni::Error) -> cni::Error {
    error.code = cni::code::NOT_AVAILABLE;
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(found: &[&str]) -> String {
        let found: Vec<String> = found.iter().map(ToString::to_string).collect();
        verdict("net1", &found).unwrap_err().msg.clone()
    }

    #[test]
    fn an_answer_comes_apart_as_it_was_put_together() {
        let all = ["net3: rule 10103: from 172.16.13.1 lookup 103 is missing", "net5: it is down"];
        assert_eq!(differences(&said(&all)), Some(("net1", all.to_vec())));
        assert_eq!(differences(&said(&[all[1], all[1]])), Some(("net1", vec![all[1]])), "once each");
        assert_eq!(differences(&said(&["a; b"])), Some(("net1", vec!["a; b"])));
        assert_eq!(differences(&said(&["a; b", "c"])), None, "which are the two?");
        assert_eq!(differences("required prevResult missing"), None);
        assert!(verdict("net1", &[]).is_ok());
    }
}
