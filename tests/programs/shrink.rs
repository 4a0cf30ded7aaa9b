//! Makes a failing program smaller for as long as it still fails: fewer requests, operations, turns.

use crate::program::{Ending, Program, Turn, USUAL};

/// The smallest program found that still fails in the same way.
pub fn smallest(program: &Program, fails: &mut impl FnMut(&Program) -> bool) -> Program {
    let mut program = program.clone();
    let mut tries = 0;
    while let Some(smaller) = candidates(&program).into_iter().find(|smaller| {
        tries += 1;
        tries < 3000 && fails(smaller)
    }) {
        program = smaller;
    }
    program
}

fn candidates(program: &Program) -> Vec<Program> {
    let mut all = Vec::new();
    let mut with = |change: &dyn Fn(&mut Program)| {
        let mut smaller = program.clone();
        change(&mut smaller);
        if smaller != *program {
            all.push(smaller);
        }
    };
    for request in 0..program.requests.len() {
        with(&|it| {
            it.requests[request].ops.clear();
            it.turns.retain(
                |turn| !matches!(turn, Turn::Step(own) | Turn::Run(own) if *own == request),
            );
        });
    }
    for turn in 0..program.turns.len() {
        with(&|it| _ = it.turns.remove(turn));
        with(&|it| {
            if let Turn::Step(request) = it.turns[turn] {
                it.turns[turn] = Turn::Run(request);
            }
        });
    }
    for request in 0..program.requests.len() {
        for op in 0..program.requests[request].ops.len() {
            with(&|it| _ = it.requests[request].ops.remove(op));
        }
        with(&|it| it.requests[request].leaves_after = None);
        with(&|it| it.requests[request].ending = Ending::Status(200));
        with(&|it| it.requests[request].browser = 0);
    }
    with(&|it| it.settings.keep_on_error = true);
    with(&|it| it.settings.refuse = false);
    with(&|it| it.settings.renew_every = None);
    with(&|it| it.settings.lifetime = USUAL);
    all
}
