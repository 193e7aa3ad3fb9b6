use proptest::prelude::*;

use super::*;
use crate::attr::Attributes;

fn any_expr() -> impl Strategy<Value = Expr> {
    let meta = prop_oneof![Just(Meta::Mark), Just(Meta::Iifname)];
    let ct = prop_oneof![Just(Ct::State), Just(Ct::Direction), Just(Ct::Mark)];
    let bytes = proptest::collection::vec(any::<u8>(), 1..=16);
    prop_oneof![
        meta.prop_map(Expr::LoadMeta),
        Just(Expr::SetMeta(Meta::Mark)),
        ct.prop_map(Expr::LoadCt),
        Just(Expr::SetCt(Ct::Mark)),
        (any::<bool>(), bytes).prop_map(|(equal, with)| Expr::Compare { equal, with }),
        (any::<u32>(), any::<u32>()).prop_map(|(mask, xor)| Expr::Bits { mask, xor }),
    ]
}

proptest! {
    #[test]
    fn expressions_read_as_they_are_written(rule in proptest::collection::vec(any_expr(), 0..8)) {
        let mut bytes = Vec::new();
        expr::encode(&rule, &mut bytes);
        prop_assert_eq!(expr::decode(Attributes(&bytes)), Some(rule));
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = expr::decode(Attributes(&bytes));
    }
}
