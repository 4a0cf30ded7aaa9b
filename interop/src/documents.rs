//! JSON documents drawn from a seed: every kind of number and text, nested, spaced and escaped in whatever way.

use cloakroom_testbed::Dice;

const TEXTS: [&str; 9] = ["plain", " ", "1e5", ", ", ": ", "]}", "é", "😀", "\u{7f}"];

/// An endless list of documents.
#[derive(Debug)]
pub struct Documents {
    dice: Dice,
}

impl Documents {
    /// The list of this number.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self { dice: Dice::new(seed) }
    }

    /// The next document.
    pub fn next_document(&mut self) -> String {
        let mut out = String::new();
        self.value(&mut out, 3);
        out
    }

    fn below(&mut self, end: usize) -> usize {
        self.dice.below(end as u64) as usize
    }

    fn word(&mut self) -> u64 {
        self.dice.below(u64::MAX)
    }

    fn value(&mut self, out: &mut String, depth: usize) {
        self.space(out);
        match self.below(if depth == 0 { 7 } else { 10 }) {
            0 => out.push_str(["null", "true", "false"][self.below(3)]),
            1 => self.integer(out),
            2..5 => self.float(out),
            5 | 6 => self.text(out),
            7 | 8 => self.list(out, '[', ']', |this, out, _| this.value(out, depth - 1)),
            _ => self.list(out, '{', '}', |this, out, index| {
                // Different names: of two equal ones Python forgets the first.
                out.push_str(&format!("\"{index}"));
                this.letters(out);
                out.push_str("\":");
                this.value(out, depth - 1);
            }),
        }
        self.space(out);
    }

    fn list(
        &mut self,
        out: &mut String,
        open: char,
        close: char,
        item: impl Fn(&mut Self, &mut String, usize),
    ) {
        out.push(open);
        self.space(out);
        for index in 0..self.below(4) {
            out.push_str(if index == 0 { "" } else { "," });
            self.space(out);
            item(self, out, index);
            self.space(out);
        }
        out.push(close);
    }

    fn space(&mut self, out: &mut String) {
        if self.below(16) == 0 {
            out.push_str([" ", "\t", "\n", "\r\n"][self.below(4)]);
        }
    }

    fn integer(&mut self, out: &mut String) {
        let word = self.word() >> self.below(64);
        match self.below(3) {
            0 => out.push_str(&format!("{word}")),
            1 => out.push_str(&format!("{}", word as i64)),
            _ => out.push_str(&format!("-{}{word:020}{word:020}", self.below(9) + 1)),
        }
    }

    /// A float in the fewest digits, spelled as Rust, or as somebody who likes exponents, spells it.
    fn float(&mut self, out: &mut String) {
        let word = self.word();
        let sign = if word & 1 == 0 { 1.0 } else { -1.0 };
        let float = match self.below(6) {
            0 => f64::from_bits(word),
            1 => f64::from_bits(word >> 12), // subnormal
            2 => sign * (word >> self.below(64)) as f64,
            3 => sign * (word >> 40) as f64 / 1000.0,
            // Fractions of two: where two spellings are equally near is among them.
            4 => sign * (word >> self.below(20)) as f64 / (1_u64 << self.below(48)) as f64,
            _ => sign * 10_f64.powi(self.below(40) as i32 - 20),
        };
        let float = if float.is_finite() { float } else { 0.0 * sign };
        match self.below(3) {
            0 => out.push_str(&format!("{float:?}")),
            1 => out.push_str(&format!("{float:E}")),
            _ => out.push_str(&serde_json::json!(float).to_string()),
        }
    }

    fn text(&mut self, out: &mut String) {
        out.push('"');
        self.letters(out);
        out.push('"');
    }

    fn letters(&mut self, out: &mut String) {
        for _ in 0..self.below(6) {
            match self.below(6) {
                0 => out.push_str(&format!("\\u{:04x}", self.below(0x1_0000))),
                1 => out.push_str(&format!("\\u{:04X}", self.below(0x100))),
                2 => out.extend(['\\', char::from(b"\"\\/bfnrt"[self.below(8)])]),
                3 => {
                    let any = char::from_u32(self.below(0x11_0000) as u32);
                    out.extend(any.filter(|char| *char >= ' ' && !matches!(char, '"' | '\\')));
                }
                _ => out.push_str(TEXTS[self.below(TEXTS.len())]),
            }
        }
    }
}
