//! What a stranger who sees only the length of a compressed page can find out of the token in it (BREACH).

use std::io::Write;

use cloakroom::Session;
use flate2::Compression;
use flate2::write::GzEncoder;

const PROBES: usize = 100_000;
const DIGITS: [u8; 16] = *b"0123456789abcdef";

/// Of what a stranger puts into each page besides: a length is in whole bytes, and this moves where they end.
const PADDING: &str = "!#$%&()*+,-./:;?";

/// How long a page is that shows what the stranger searched for, and has a token in its form.
fn length(token: &str, searched: &str) -> usize {
    let page = format!(
        "<h1>Nothing found for value=\"{searched}</h1>\
         <form><input type=\"hidden\" name=\"csrf_token\" value=\"{token}\"></form>"
    );
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    gzip.write_all(page.as_bytes()).unwrap();
    gzip.finish().unwrap().len()
}

/// How many letters of the token are guessed right by somebody who knows all those before each: the guess that makes
/// the shortest pages in all is taken, if there is one that does.
fn right_guesses(plain: &str, render: impl Fn() -> String, tries: usize) -> usize {
    let is_right = |at: &usize| {
        let (known, letter) = (&plain[..*at], plain.as_bytes()[*at]);
        let totals = DIGITS.map(|guess| total(known, char::from(guess), &render, tries));
        let least = totals.iter().min();
        let best: Vec<u8> = DIGITS
            .into_iter()
            .zip(&totals)
            .filter(|it| Some(it.1) == least)
            .map(|it| it.0)
            .collect();
        best == [letter]
    };
    (0..plain.len()).filter(is_right).count()
}

/// The letter where it belongs against the letter elsewhere: what the code makes of the letter itself cancels out.
fn total(known: &str, letter: char, render: &impl Fn() -> String, tries: usize) -> i64 {
    let (right, wrong) = (format!("{known}{letter}~"), format!("{known}~{letter}"));
    let lengths = (0..tries).map(|number| {
        let (token, padding) = (render(), &PADDING[..number % PADDING.len()]);
        let length = |guess: &str| length(&token, &format!("{guess}{padding}")) as i64;
        length(&right) - length(&wrong)
    });
    lengths.sum()
}

#[test]
fn s52_the_length_of_a_page_says_nothing_of_a_masked_token_and_much_of_a_plain_one() {
    let session = Session::detached();
    let plain = session.csrf_token().unwrap().plain().to_owned();
    let leaked = right_guesses(&plain, || plain.clone(), PADDING.len());
    assert!(leaked > 30, "the control has to leak, or this would find nothing anywhere: {leaked}");

    let tries = PROBES.div_ceil(2 * DIGITS.len() * plain.len());
    let masked = || session.csrf_token().unwrap().masked().to_owned();
    let gained = right_guesses(&plain, masked, tries);
    // Luck alone gives 2 or 3 of 40; it gives 16 once in a thousand million runs.
    assert!(gained < 16, "{gained} letters of a masked token were found");
}
