//! The links of a world: rails to the switch, and the default NIC of a pod.

use crate::space::Space;
use crate::world::World;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::ops::Deref;

/// One rail: `172.16.N.0/24` and `fd00:16:N::/64`, gateway `.254` and `::fe` in the switch.
#[derive(Clone, Debug)]
pub struct Rail {
    /// 1 to 254.
    pub number: u8,
    /// The link in the host.
    pub master: String,
    /// The link in the switch.
    pub port: String,
}

impl Rail {
    pub(crate) fn create(world: &World, number: u8) -> Self {
        let rail = Self { number, master: format!("rail{number}"), port: format!("port{number}") };
        let Self { master, port, .. } = &rail;
        world.host().ip_do(&format!(
            "link add {master} mtu 9000 address 02:00:00:00:01:{number:02x} type veth \
             peer name {port} mtu 9000 address 02:00:00:00:02:{number:02x} netns switch"
        ));
        let gateways = [format!("{}/24", rail.gateway4()), format!("{}/64", rail.gateway6())];
        bring_up(world.switch(), port, &gateways);
        bring_up(world.host(), master, &[]);
        world.switch().settle(port);
        world.host().settle(master);
        rail
    }

    /// The gateway in the switch.
    pub fn gateway4(&self) -> Ipv4Addr {
        self.address4(254)
    }

    /// The IPv6 gateway in the switch.
    pub fn gateway6(&self) -> Ipv6Addr {
        self.address6(0xfe)
    }

    /// `172.16.N.host`
    pub fn address4(&self, host: u8) -> Ipv4Addr {
        Ipv4Addr::new(172, 16, self.number, host)
    }

    /// `fd00:16:N::host`
    pub fn address6(&self, host: u16) -> Ipv6Addr {
        Ipv6Addr::new(0xfd00, 0x16, self.number.into(), 0, 0, 0, 0, host)
    }

    /// The IPv4 subnet in CIDR form.
    pub fn subnet4(&self) -> String {
        format!("{}/24", self.address4(0))
    }

    /// The IPv6 subnet in CIDR form.
    pub fn subnet6(&self) -> String {
        format!("{}/64", self.address6(0))
    }
}

/// A pod with `eth0`; it is a [`Space`] otherwise.
#[derive(Clone, Debug)]
pub struct Pod {
    space: Space,
    number: u8,
    host_veth: String,
}

impl Pod {
    pub(crate) fn create(world: &World, space: Space, number: u8) -> Self {
        let pod = Self { host_veth: format!("cali{number}"), space, number };
        let (veth, netns) = (&pod.host_veth, pod.space.name());
        world.host().ip_do(&format!(
            "link add {veth} address ee:ee:ee:ee:ee:{number:02x} type veth \
             peer name eth0 address 02:00:00:00:03:{number:02x} netns {netns}"
        ));
        let (v4, v6) = (pod.eth0_4(), pod.eth0_6());
        bring_up(&pod.space, "eth0", &[format!("{v4}/32"), format!("{v6}/128")]);
        bring_up(world.host(), veth, &["169.254.1.1/32".into(), "fe80::1/64".into()]);
        world.host().ip_do(&format!("route add {v4}/32 dev {veth}\nroute add {v6}/128 dev {veth}"));
        pod.space.ip_do(
            "route add 169.254.1.1 dev eth0 scope link\n\
             route add default via 169.254.1.1 dev eth0\n\
             route add default via fe80::1 dev eth0",
        );
        world.host().settle(veth);
        pod.space.settle("eth0");
        pod
    }

    /// The address of `eth0`, `10.244.0.N/32`.
    pub fn eth0_4(&self) -> Ipv4Addr {
        Ipv4Addr::new(10, 244, 0, self.number)
    }

    /// The IPv6 address of `eth0`, `fd00:244::N/128`.
    pub fn eth0_6(&self) -> Ipv6Addr {
        Ipv6Addr::new(0xfd00, 0x244, 0, 0, 0, 0, 0, self.number.into())
    }

    /// The host's end of `eth0`.
    pub fn host_veth(&self) -> &str {
        &self.host_veth
    }
}

impl Deref for Pod {
    type Target = Space;

    fn deref(&self) -> &Space {
        &self.space
    }
}

/// Without duplicate address detection: the test's own links are ready at once, those of plugins are not spared.
fn bring_up(space: &Space, link: &str, addresses: &[String]) {
    space.set_sysctl(&format!("net/ipv6/conf/{link}/accept_dad"), "0");
    let addresses = addresses.iter().map(|address| format!("addr add {address} dev {link}"));
    let lines: Vec<String> = std::iter::once(format!("link set {link} up")).chain(addresses).collect();
    space.ip_do(&lines.join("\n"));
}
