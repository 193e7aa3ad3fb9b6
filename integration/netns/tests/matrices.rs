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
