//! cloakroom alone, for who works on it, for a profiler, and for the guard in the tests.
//!
//! `ours`: what each request costs. `ours --allocations`: how many allocations each makes, without those of a bare
//! request. `ours NAME TIMES`: the same request again and again.

use cloakroom_bench::measure::{allocations, costs};
use cloakroom_bench::ours::ROWS;
use cloakroom_bench::session::bare;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        [] => print_costs(),
        ["--allocations"] => print_allocations(),
        [name, times] => repeat(name, times.parse().expect("how often")),
        _ => panic!("ours [--allocations | NAME TIMES]"),
    }
}

fn print_costs() {
    let mut requests = vec![bare(true)];
    requests.extend(ROWS.iter().map(|(_, begin)| begin()));
    let costs = costs(&mut requests);
    for ((name, _), cost) in ROWS.iter().zip(&costs[1..]) {
        let cost = cost.beyond(&costs[0]);
        println!("{name} {:.0} ±{:.0} ns {}", cost.ns(), cost.spread(), cost.allocations);
    }
}

fn print_allocations() {
    let without = allocations(&mut bare(true));
    for (name, begin) in ROWS {
        println!("{name} {}", allocations(&mut begin()) - without);
    }
}

fn repeat(name: &str, times: u32) {
    let mut request = if name == "bare" {
        bare(true)
    } else {
        let row = ROWS.iter().find(|(other, _)| *other == name);
        row.unwrap_or_else(|| panic!("no such request: {name}")).1()
    };
    (0..times).for_each(|_| request());
}
