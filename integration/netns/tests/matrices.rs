//! Every subject killed, and made to fail, at every call of ADD and of DEL that changes something.

use netns_tests::subjects::{SUBJECTS, Subject};

macro_rules! matrices {
    ($($name:ident)*) => {
        $(mod $name {
            use super::Subject;

            #[test]
            fn add_killed_anywhere_leaves_nothing() {
                Subject::named(stringify!($name)).end(|matrix| matrix.kill("ADD"));
            }

            #[test]
            fn del_killed_anywhere_leaves_nothing() {
                Subject::named(stringify!($name)).end(|matrix| matrix.kill("DEL"));
            }

            #[test]
            fn add_that_fails_anywhere_has_undone_itself() {
                Subject::named(stringify!($name)).end(|matrix| matrix.fail("ADD"));
            }

            #[test]
            fn del_that_fails_anywhere_goes_on_and_reports() {
                Subject::named(stringify!($name)).end(|matrix| matrix.fail("DEL"));
            }
        })*

        #[test]
        fn every_subject_has_its_tests() {
            let tested = [$(stringify!($name)),*];
            assert_eq!(SUBJECTS.map(|subject| subject.name), tested);
        }
    };
}

matrices! { macvlan rail_ipam chain rail chain_of_eight rail_of_eight }
