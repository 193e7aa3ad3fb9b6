//! What the matrices end in a guest: attachments that need its devices or its kernel.

use testkit::{Chain, Matrix, Pod, Share, World};

/// One attachment of the matrices.
pub(crate) struct Subject {
    /// Of its figures.
    pub(crate) name: &'static str,
    /// How many of its points a bounded run tries.
    pub(crate) share: Share,
    /// What begins lines of the picture that change by themselves.
    pub(crate) ignored: &'static [&'static str],
    pub(crate) chain: fn(&World, &Pod) -> Chain,
}

impl Subject {
    /// Has `run` end it at its points.
    #[track_caller]
    pub(crate) fn end(&self, world: &World, run: impl FnOnce(&Matrix<'_>)) {
        let pod = world.pod("a");
        // Or the route of a link-local address would come a second after its link, between two pictures.
        pod.set_sysctl("net/ipv6/conf/default/accept_dad", "0");
        let chain = (self.chain)(world, &pod);
        run(&Matrix::new(self.name, world, chain, self.share, self.ignored));
    }
}

/// The tests of each subject, one for each verb: what both kinds of ending need at first is slow in a guest.
macro_rules! matrices {
    ($world:expr; $($name:ident = $subject:expr;)*) => {
        $($crate::subject::matrices! { @of [] $world; $name = $subject })*
    };
    (@of [$(#[$attribute:meta])*] $world:expr; $name:ident = $subject:expr) => {
        mod $name {
            use super::*;

            #[test]
            $(#[$attribute])*
            fn add_ended_anywhere_leaves_nothing() {
                $subject.end(&$world, |matrix| {
                    matrix.kill("ADD");
                    matrix.fail("ADD");
                });
            }

            #[test]
            $(#[$attribute])*
            fn del_ended_anywhere_is_finished_by_the_next() {
                $subject.end(&$world, |matrix| {
                    matrix.kill("DEL");
                    matrix.fail("DEL");
                });
            }
        }
    };
}

/// The same of subjects of which those of `matrices` say nearly all.
macro_rules! rare_matrices {
    ($world:expr; $($name:ident = $subject:expr;)*) => {
        $($crate::subject::matrices! {
            @of [#[ignore = "a minute in a guest: make vm-test"]] $world; $name = $subject
        })*
    };
}

pub(crate) use {matrices, rare_matrices};
