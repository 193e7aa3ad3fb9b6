//! Which CNI code an error has, read from the arms that map errors to codes. A place is a file, for an enum that maps its own
//! variants, or a crate, for what is mapped elsewhere.

use std::collections::BTreeMap;

use quote::ToTokens;
use syn::visit::Visit;

use crate::source::Source;

/// Codes by place and variant; the variant `_` is that of all others of a place.
#[derive(Default)]
pub(crate) struct Codes {
    known: BTreeMap<(String, String), u32>,
}

/// What `cni::Error` calls its constructors, and `cni::code` its constants.
const NAMES: &[(&str, u32)] = &[
    ("INCOMPATIBLE_VERSION", 1),
    ("incompatible_version", 1),
    ("UNSUPPORTED_FIELD", 2),
    ("INVALID_ENV", 4),
    ("invalid_env", 4),
    ("IO", 5),
    ("io", 5),
    ("DECODE", 6),
    ("decode", 6),
    ("INVALID_CONFIG", 7),
    ("invalid_config", 7),
    ("INVALID_NETNS", 8),
    ("TRY_AGAIN", 11),
    ("try_again", 11),
    ("NOT_AVAILABLE", 50),
    ("INTERNAL", 999),
];

impl Codes {
    pub(crate) fn read(sources: &[Source]) -> Self {
        let mut codes = Self::default();
        for source in sources {
            let mut arms = Arms { file: &source.path, constants: constants(&source.file), codes: &mut codes };
            arms.visit_file(&source.file);
        }
        codes
    }

    /// The code of a variant in a file of a crate; `None` where it is a part of another error's message.
    pub(crate) fn of(&self, source: &Source, variant: &str) -> Option<u32> {
        let get =
            |place: &str, variant: &str| self.known.get(&(place.to_owned(), variant.to_owned())).copied();
        let (file, room) = (&source.path, &source.room);
        get(file, variant)
            .or_else(|| get(file, "_"))
            .or_else(|| get(room, variant))
            .or_else(|| get(room, "_"))
    }
}

/// The file's own `const NAME: u32 = N`.
fn constants(file: &syn::File) -> BTreeMap<String, u32> {
    let of = |item: &syn::Item| match item {
        syn::Item::Const(item) => {
            Some((item.ident.to_string(), item.expr.to_token_stream().to_string().parse().ok()?))
        }
        _ => None,
    };
    file.items.iter().filter_map(of).collect()
}

struct Arms<'a> {
    file: &'a str,
    constants: BTreeMap<String, u32>,
    codes: &'a mut Codes,
}

impl Visit<'_> for Arms<'_> {
    fn visit_expr_match(&mut self, of: &syn::ExprMatch) {
        // A guard is about some of a variant's errors; the arm without one has the others.
        let arms = of.arms.iter().filter(|arm| arm.guard.is_none());
        let coded: Vec<_> = arms.filter_map(|arm| Some((arm, self.code(&arm.body)?))).collect();
        let mut place = None;
        for (arm, code) in coded {
            place = self.pattern(&arm.pat, code).or(place);
            if let (syn::Pat::Wild(_), Some(place)) = (&arm.pat, &place) {
                self.insert(place.clone(), "_", code);
            }
        }
        syn::visit::visit_expr_match(self, of);
    }

    /// `fn code(&self) -> u32` of an error that has one code.
    fn visit_impl_item_fn(&mut self, of: &syn::ImplItemFn) {
        if of.sig.ident == "code"
            && let [syn::Stmt::Expr(body @ syn::Expr::Path(_), None)] = of.block.stmts.as_slice()
            && let Some(code) = self.code(body)
        {
            self.insert(self.file.to_owned(), "_", code);
        }
        syn::visit::visit_impl_item_fn(self, of);
    }
}

impl Arms<'_> {
    fn code(&self, body: &syn::Expr) -> Option<u32> {
        let text = body.to_token_stream().to_string();
        let mut words = text.split(|letter: char| !letter.is_alphanumeric() && letter != '_');
        words.find_map(|word| {
            let named = NAMES.iter().find(|(name, _)| *name == word).map(|(_, code)| *code);
            named.or_else(|| self.constants.get(word).copied())
        })
    }

    /// `Self::A { .. }`, `Failure::Netns(_)` for all of another crate, `Failure::State(state::Error::B { .. })` for one of it.
    /// Returns the place that the pattern is about.
    fn pattern(&mut self, pattern: &syn::Pat, code: u32) -> Option<String> {
        match pattern {
            syn::Pat::Or(or) => or.cases.iter().filter_map(|case| self.pattern(case, code)).last(),
            syn::Pat::Struct(of) => self.add(&of.path, code),
            syn::Pat::Path(of) => self.add(&of.path, code),
            syn::Pat::TupleStruct(of) => self.tuple(of, code),
            _ => None,
        }
    }

    fn tuple(&mut self, of: &syn::PatTupleStruct, code: u32) -> Option<String> {
        if let Some(inner @ (syn::Pat::Struct(_) | syn::Pat::TupleStruct(_))) = of.elems.first() {
            return self.pattern(inner, code);
        }
        let last = of.path.segments.last()?;
        self.insert(last.ident.to_string().to_lowercase(), "_", code);
        self.add(&of.path, code)
    }

    fn add(&mut self, path: &syn::Path, code: u32) -> Option<String> {
        let names: Vec<_> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        let (variant, before) = names.split_last()?;
        // `state::Error::Timeout` and `State::Timeout` are of another crate.
        let place = match before.first().map(|name| name.to_lowercase()) {
            Some(name) if !["self", "failure", "error"].contains(&name.as_str()) => name,
            _ => self.file.to_owned(),
        };
        self.insert(place.clone(), variant, code);
        Some(place)
    }

    fn insert(&mut self, place: String, variant: &str, code: u32) {
        self.codes.known.entry((place, variant.to_owned())).or_insert(code);
    }
}
