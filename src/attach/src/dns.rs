use cni::Dns;

/// The name service of the config and that of the IPAM, the config's first; neither is lost.
pub fn merge_dns(config: Dns, ipam: Dns) -> Dns {
    Dns {
        nameservers: union(config.nameservers, ipam.nameservers),
        domain: if config.domain.is_empty() { ipam.domain } else { config.domain },
        search: union(config.search, ipam.search),
        options: union(config.options, ipam.options),
    }
}

fn union(mut first: Vec<String>, second: Vec<String>) -> Vec<String> {
    for item in second {
        if !first.contains(&item) {
            first.push(item);
        }
    }
    first
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dns(servers: &[&str], domain: &str) -> Dns {
        Dns {
            nameservers: servers.iter().map(ToString::to_string).collect(),
            domain: domain.to_owned(),
            ..Dns::default()
        }
    }

    #[test]
    fn both_name_services_survive() {
        let merged = merge_dns(dns(&["10.0.0.1"], ""), dns(&["10.0.0.2", "10.0.0.1"], "ipam.example"));
        assert_eq!(merged, dns(&["10.0.0.1", "10.0.0.2"], "ipam.example"));
    }

    #[test]
    fn the_configs_domain_wins() {
        assert_eq!(merge_dns(dns(&[], "conf.example"), dns(&[], "ipam.example")).domain, "conf.example");
    }
}
