//! cloakroom alone, for who works on it, for a profiler, and for the guard in the tests.
//!
//! `ours`: what each request costs. `ours --allocations`: how many allocations each makes, without those of a bare
//! request, whose name stands behind. `ours NAME TIMES`: the same request again and again.

use cloakroom_bench::measure::{allocations, costs};
use cloakroom_bench::ours::{ROWS, Rows};

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        [] => ROWS.iter().for_each(print_costs),
        ["--allocations"] => ROWS.iter().for_each(print_allocations),
        [name, times] => repeat(name, times.parse().expect("how often")),
        _ => panic!("ours [--allocations | NAME TIMES]"),
    }
}

fn print_costs(Rows { bare, rows }: &Rows) {
    let mut requests = vec![bare.1()];
    requests.extend(rows.iter().map(|(_, begin)| begin()));
    let costs = costs(&mut requests);
    for ((name, _), cost) in rows.iter().zip(&costs[1..]) {
        let cost = cost.beyond(&costs[0]);
        println!("{name} {:.0} ±{:.0} ns {}", cost.ns(), cost.spread(), cost.allocations);
    }
}

fn print_allocations(Rows { bare, rows }: &Rows) {
    let without = allocations(&mut bare.1());
    for (name, begin) in *rows {
        println!("{name} {} {}", allocations(&mut begin()) - without, bare.0);
    }
}

fn repeat(name: &str, times: u32) {
    let mut rows = ROWS.iter().flat_map(|rows| rows.rows.iter().chain([&rows.bare]));
    let row = rows.find(|(other, _)| *other == name);
    let mut request = row.unwrap_or_else(|| panic!("no such request: {name}")).1();
    (0..times).for_each(|_| request());
}
