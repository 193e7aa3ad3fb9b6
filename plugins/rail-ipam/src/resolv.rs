//! resolv.conf(5), as far as a CNI result can carry it.

use cni::Dns;

/// Reads nameservers, domain, search list and options; the last `domain` and `search` count.
pub(crate) fn parse(text: &str) -> Dns {
    let mut dns = Dns::default();
    for line in text.lines().filter(|line| !line.starts_with(['#', ';'])) {
        let mut words = line.split_ascii_whitespace();
        let keyword = words.next().unwrap_or_default();
        let mut values = words.map(str::to_owned);
        match keyword {
            "nameserver" => dns.nameservers.extend(values.next()),
            "domain" => dns.domain = values.next().unwrap_or_default(),
            "search" => dns.search = values.collect(),
            "options" => dns.options.extend(values),
            _ => (),
        }
    }
    dns
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_keyword_that_has_a_place_in_a_result() {
        let text = "# a comment\nnameserver 10.0.0.1 \nnameserver fd00::1\n;domain no\ndomain cluster.local\n\
                    search a.example b.example\noptions ndots:5 edns0\nsortlist 1.2.3.4\n";
        let dns = parse(text);
        assert_eq!(dns.nameservers, ["10.0.0.1", "fd00::1"]);
        assert_eq!(dns.domain, "cluster.local");
        assert_eq!(dns.search, ["a.example", "b.example"]);
        assert_eq!(dns.options, ["ndots:5", "edns0"]);
    }
}
