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
        [one] => Err(cni::Error::internal(format!("{ifname} is not as ADD left it: {one}"))),
        several => Err(cni::Error::internal(format!(
            "{ifname} is not as ADD left it, in {} ways: {}",
            several.len(),
            several.join("; ")
        ))),
    }
}

/// STATUS: the same error, as the code that says that the plugin cannot serve now.
pub fn not_available(mut error: cni::Error) -> cni::Error {
    error.code = cni::code::NOT_AVAILABLE;
    error
}
