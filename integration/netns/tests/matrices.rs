//! Every subject killed, and made to fail, at every call of ADD and of DEL that changes something.

use netns_tests::subjects::{SUBJECTS, Subject};

macro_rules! matrices {
    ($($name:ident)*) => {
        $(mod $name {
            use super::Subject;

            fn matrix(run: impl FnOnce(&testkit::Matrix<'_>)) {
                Subject::named(stringify!($name)).end(run);
            }

            testkit::matrix_tests! { matrix }
        })*

        #[test]
        fn every_subject_has_its_tests() {
            let tested = [$(stringify!($name)),*];
            assert_eq!(SUBJECTS.map(|subject| subject.name), tested);
        }
    };
}

matrices! { macvlan rail_ipam chain two_ids rail chain_of_eight rail_of_eight }

/// Its address is from a pool that the cluster has granted this node, in the file of the agent.
mod granted {
    use ipam::Granted;
    use netns_tests::suite::pool;
    use serde_json::json;
    use state::Dirs;
    use testkit::{Chain, Matrix, Share, World};

    fn matrix(run: impl FnOnce(&Matrix<'_>)) {
        let world = World::new();
        drop(world.rail(1));
        let pod = world.pod("a");
        pod.set_sysctl("net/ipv6/conf/default/accept_dad", "0");
        let pools = vec![pool("granted", "172.16.1.10-172.16.1.11")];
        let granted = Granted { node: "n1".to_owned(), epoch: 1, pools, ..Granted::default() };
        let base = world.dirs().state.parent().expect("a directory of the world");
        granted.write(&Dirs::under(base)).expect("the agent's file");
        let config = json!({ "cniVersion": "1.1.0", "name": "rail1", "type": "macvlan", "master": "rail1",
                             "ipam": { "type": "rail-ipam", "ippools": { "ipv4": ["granted"] } } });
        let chain = Chain::default().first(world.plugin("macvlan").netns(pod.path()), config);
        run(&Matrix::new("granted", &world, chain, Share::About(40), &[]));
    }

    testkit::matrix_tests! { matrix }
}
