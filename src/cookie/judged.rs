//! Which of a request's cookies of one name counts (S13): the one place for the rule, whatever the cookie carries.
//!
//! A browser that was given the cookie with another `Domain` or `Path` before sends both for as long as it keeps them,
//! which may be for ever. So what has expired must not stand in the way of what is alive.

use super::scan::Candidates;

/// What a cookie's text turned out to be. `T` is what it leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Judged<T> {
    /// It is valid, now.
    Live(T),
    /// It was valid once.
    Expired(T),
    /// It may have been, and leads to nothing.
    Unknown(T),
    /// It is none of ours.
    Refused,
}

/// Several cookies that contradict each other, or too many to be looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ambiguous;

impl<T> Judged<T> {
    /// Which of the two counts, whichever was sent first. Two live ones are none, unless they are the `same`; no live
    /// one is as if the better of the two had come alone.
    pub(crate) fn or(
        self,
        other: Self,
        same: impl FnOnce(&T, &T) -> bool,
    ) -> Result<Self, Ambiguous> {
        use Judged::{Expired, Live, Refused, Unknown};
        match (self, other) {
            (Live(one), Live(two)) if same(&one, &two) => Ok(Live(one)),
            (Live(_), Live(_)) => Err(Ambiguous),
            (Live(one), _) | (_, Live(one)) => Ok(Live(one)),
            (Expired(one), _) | (_, Expired(one)) => Ok(Expired(one)),
            (Unknown(one), _) | (_, Unknown(one)) => Ok(Unknown(one)),
            (Refused, Refused) => Ok(Refused),
        }
    }
}

impl<'a> Candidates<'a> {
    /// The texts that are to be judged.
    pub(crate) fn texts(self) -> Result<impl Iterator<Item = &'a [u8]> + Send, Ambiguous> {
        let texts = match self {
            Self::None => [None, None],
            Self::One(text) => [Some(text), None],
            Self::Two(one, two) => [Some(one), Some(two)],
            Self::TooMany => return Err(Ambiguous),
        };
        Ok(texts.into_iter().flatten())
    }

    /// What counts of them, each judged for itself.
    pub(crate) fn judge<T: PartialEq>(
        self,
        mut judge: impl FnMut(&'a [u8]) -> Judged<T>,
    ) -> Result<Judged<T>, Ambiguous> {
        self.texts()?.try_fold(Judged::Refused, |found, text| found.or(judge(text), T::eq))
    }
}

#[cfg(test)]
mod tests {
    use super::Judged::{Expired, Live, Refused, Unknown};
    use super::*;

    type Row = (Judged<char>, Judged<char>, Result<Judged<char>, Ambiguous>);

    #[test]
    fn s13_of_two_the_only_live_one_counts_and_two_that_differ_are_nobodys() {
        let table: [Row; 16] = [
            (Live('a'), Live('a'), Ok(Live('a'))),
            (Live('a'), Live('b'), Err(Ambiguous)),
            (Live('a'), Expired('b'), Ok(Live('a'))),
            (Live('a'), Expired('a'), Ok(Live('a'))),
            (Live('a'), Unknown('b'), Ok(Live('a'))),
            (Live('a'), Refused, Ok(Live('a'))),
            (Expired('a'), Live('b'), Ok(Live('b'))),
            (Expired('a'), Expired('b'), Ok(Expired('a'))),
            (Expired('a'), Unknown('b'), Ok(Expired('a'))),
            (Expired('a'), Refused, Ok(Expired('a'))),
            (Unknown('a'), Live('b'), Ok(Live('b'))),
            (Unknown('a'), Expired('b'), Ok(Expired('b'))),
            (Unknown('a'), Unknown('b'), Ok(Unknown('a'))),
            (Unknown('a'), Refused, Ok(Unknown('a'))),
            (Refused, Live('b'), Ok(Live('b'))),
            (Refused, Refused, Ok(Refused)),
        ];
        for (one, two, expected) in table {
            assert_eq!(one.or(two, char::eq), expected, "{one:?} and {two:?}");
        }
    }

    #[test]
    fn s13_each_text_is_judged_and_of_too_many_none() {
        let judge = |candidates: Candidates<'static>| {
            let mut judged = Vec::new();
            let found = candidates.judge(|text| {
                judged.push(text);
                if text == b"live" { Live(text) } else { Refused }
            });
            (found, judged.len())
        };
        assert_eq!(judge(Candidates::None), (Ok(Refused), 0));
        assert_eq!(judge(Candidates::One(b"live")), (Ok(Live(&b"live"[..])), 1));
        assert_eq!(judge(Candidates::Two(b"x", b"live")), (Ok(Live(&b"live"[..])), 2));
        assert_eq!(judge(Candidates::TooMany), (Err(Ambiguous), 0));
    }
}
