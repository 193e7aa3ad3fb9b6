//! What the guides write is decoded without a loss: a field that a type does not know would be pruned in silence.

use api::{SpiderIPPool, SpiderMultusConfig};
use serde::Serialize;
use serde::de::DeserializeOwned;

#[track_caller]
fn kept<T: Serialize + DeserializeOwned>(text: &str) {
    for document in yaml::documents(text).expect("YAML") {
        let typed: T = serde_json::from_value(document.clone()).expect("a document of the kind");
        assert_eq!(serde_json::to_value(typed).expect("JSON"), document);
    }
}

#[test]
fn pools() {
    kept::<SpiderIPPool>(
        "
apiVersion: spiderpool.spidernet.io/v2beta1
kind: SpiderIPPool
metadata: {name: node1-rail1}
spec:
  gateway: 172.16.1.1
  subnet: 172.16.1.0/27
  ips: [172.16.1.2-172.16.1.30]
  excludeIPs: [172.16.1.9]
  nodeName: [node1]
  routes: [{dst: 172.16.0.0/16, gw: 172.16.1.1}]
  podAffinity: {matchLabels: {app: train}, matchExpressions: [{key: tier, operator: In, values: [gpu]}]}
  default: true
",
    );
}

#[test]
fn networks_with_fields_where_they_do_not_belong() {
    kept::<SpiderMultusConfig>(
        "
apiVersion: spiderpool.spidernet.io/v2beta1
kind: SpiderMultusConfig
metadata: {name: gpu1-sriov, namespace: spiderpool, annotations: {cni.spidernet.io/rdma-resource-inject: rdma-network}}
spec:
  cniType: sriov
  sriov: {resourceName: spidernet.io/gpu1sriov, enableRdma: true, matchMasterSubnet: true, mtu: 4200}
  ippools: {ipv4: [gpu1-net11]}
---
apiVersion: spiderpool.spidernet.io/v2beta1
kind: SpiderMultusConfig
metadata: {name: gpu1-macvlan, namespace: spiderpool}
spec:
  cniType: macvlan
  macvlan: {master: [enp11s0f0np0], enableRdma: true, rdmaResourceName: spidernet.io/gpu1rdma, ippools: {ipv4: [gpu1-net11]}}
  coordinator: {mode: underlay, podDefaultRouteNIC: eth0, vethLinkAddress: 169.254.100.1, hijackCIDR: [169.254.0.0/16]}
  chainCNIJsonData: ['{\"type\": \"tuning\"}']
---
apiVersion: spiderpool.spidernet.io/v2beta1
kind: SpiderMultusConfig
metadata: {name: ib-sriov, namespace: spiderpool}
spec:
  cniType: ib-sriov
  ibsriov: {resourceName: spidernet.io/gpu1sriov, rdmaIsolation: true, pkey: '0x8001', ippools: {ipv4: [gpu1-net91]}}
",
    );
}
