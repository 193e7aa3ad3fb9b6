//! Rails as a record has them, byte for byte.

use devices::RailUndo;

/// As 0.1.0 wrote them: a rail on an Ethernet VF with its RDMA device, one on `InfiniBand`, a link that was made.
const ON_DISK: [&str; 3] = [
    r#"{"ifname":"net1","ipam":"rail-ipam","parts":[{"sriov":{"key":{"network":"n","container_id":"c","ifname":"net1"},"device":"0000:3b:02.5","driver":"mlx5_core","driver_override":"","ifname":"net1","index":7,"netdev":null,"before":null,"ipam":"rail-ipam","peer":{"folder":"sriov","cache":"c-net1","allocations":true,"netns":"/run/netns/n"}}},{"rdma":{"key":{"network":"n","container_id":"c","ifname":"net1"},"device":"0000:3b:02.5","index":3,"name":"mlx5_5","pod_name":"mlx5_5","netns":"/run/netns/n","device_info":null}}]}"#,
    r#"{"ifname":"net2","ipam":null,"parts":[{"ibsriov":{"key":{"network":"n","container_id":"c","ifname":"net2"},"device":"0000:3b:02.6","driver":null,"driver_override":null,"ifname":"net2","index":null,"netdev":null,"before":null,"ipam":null}}]}"#,
    r#"{"ifname":"net3","ipam":null,"parts":[{"child":{"ifname":"net3","kind":"macvlan","index":null,"outlives_namespace":false,"ipam":null}}]}"#,
];

#[test]
fn a_rail_is_written_as_it_was_read() {
    for text in ON_DISK {
        let rail: RailUndo = serde_json::from_str(text).expect(text);
        assert_eq!(serde_json::to_string(&rail).expect("JSON"), text);
    }
}
