//! Wildcards in pool names as Go's `path.Match` has them: `*`, `?`, `[a-z]`, `[^a-z]` and `\` before any of these.

/// Whether the text is to be compared literally.
pub(crate) fn is_literal(pattern: &str) -> bool {
    !pattern.contains(['*', '?', '[', '\\'])
}

/// Whether the whole of `text` matches. A malformed pattern (`[a`) matches nothing.
pub(crate) fn matches(pattern: &str, text: &str) -> bool {
    let pattern = pattern.chars().collect::<Vec<_>>();
    let text = text.chars().collect::<Vec<_>>();
    let (mut p, mut t) = (0, 0);
    // Where to go on when what followed the last star does not match: one character further.
    let mut star = None;
    while t < text.len() {
        if pattern.get(p) == Some(&'*') {
            star = Some((p, t));
            p += 1;
        } else if let Some(next) = one(&pattern, p, text[t]) {
            (p, t) = (next, t + 1);
        } else if let Some((star_p, star_t)) = star {
            star = Some((star_p, star_t + 1));
            (p, t) = (star_p + 1, star_t + 1);
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

/// Where the pattern goes on after the element at `at`, if that matches `c`.
fn one(pattern: &[char], at: usize, c: char) -> Option<usize> {
    match pattern.get(at)? {
        '?' => Some(at + 1),
        '[' => class(pattern, at + 1, c),
        '\\' => (*pattern.get(at + 1)? == c).then_some(at + 2),
        literal => (*literal == c).then_some(at + 1),
    }
}

fn class(pattern: &[char], mut at: usize, c: char) -> Option<usize> {
    let negated = pattern.get(at) == Some(&'^');
    at += usize::from(negated);
    let mut found = false;
    let begin = at;
    loop {
        let low = *pattern.get(at)?;
        if low == ']' && at > begin {
            return (found != negated).then_some(at + 1);
        }
        let (high, next) = match (pattern.get(at + 1), pattern.get(at + 2)) {
            (Some('-'), Some(high)) if *high != ']' => (*high, at + 3),
            _ => (low, at + 1),
        };
        found |= (low..=high).contains(&c);
        at = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_elements_of_a_pattern() {
        let cases = [
            ("*", "", true),
            ("*", "rail1", true),
            ("rail*", "rail1-node1", true),
            ("rail*-node2", "rail1-node1-node2", true),
            ("rail*-node2", "rail1-node1", false),
            ("rail?", "rail1", true),
            ("rail?", "rail", false),
            ("rail[1-3]", "rail2", true),
            ("rail[1-3]", "rail4", false),
            ("rail[^1-3]", "rail4", true),
            ("rail[13]", "rail2", false),
            ("a\\*b", "a*b", true),
            ("a\\*b", "axb", false),
            ("rail[1", "rail1", false),
            ("*1*1", "1", false),
            ("*1*1", "11", true),
        ];
        for (pattern, text, expected) in cases {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }
}
