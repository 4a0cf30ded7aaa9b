//! What one request costs inside the process, beyond what it costs without a session: ours beside the others.
//!
//! Prints a table for each kind of session, and one of the goals; with `--goals` only that one. Ends with an error
//! where a goal is missed.

use std::process::ExitCode;

use cloakroom_bench::measure::Request;
use cloakroom_bench::peers::{
    actix_session, axum_csrf, axum_messages, axum_session, cookie_jar, ruts, tower_http,
    tower_sessions,
};
use cloakroom_bench::scenario::{Contender, Goal, Measured, measure};
use cloakroom_bench::session::{Op, Size, bare};
use cloakroom_bench::{actix, ours};

const MEMORY: &str = "**cloakroom, memory**";
const SIGNED: &str = "**cloakroom, signed (SHA-512)**";
const SIGNED_256: &str = "**cloakroom, signed (SHA-256)**";
const MEMORY_ON_ACTIX: &str = "**cloakroom on actix-web, memory**";
const SIGNED_ON_ACTIX: &str = "**cloakroom on actix-web, signed (SHA-512)**";
const FLASH: &str = "**cloakroom, messages waiting**";
const CSRF_COOKIE: &str = "**cloakroom, token in a cookie**";
const CSRF_SESSION: &str = "**cloakroom, token of a session in memory**";

/// A column of a table, with what is to hold in it.
struct Column {
    name: &'static str,
    contenders: Vec<Contender>,
    goals: Vec<Goal>,
}

fn main() -> ExitCode {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.expect("a runtime");
    let _inside = runtime.enter();
    let only_goals = std::env::args().any(|word| word == "--goals");
    let tables = [
        ("Sessions in memory", in_memory()),
        ("Sessions in a cookie", in_cookies()),
        ("Messages that nobody asks for, beyond the session", messages()),
        ("A form's token, checked", tokens()),
    ];
    let mut goals = Vec::new();
    for (title, columns) in tables {
        let measured: Vec<_> = columns
            .into_iter()
            .map(|column| (column.name, measure(column.contenders), column.goals))
            .collect();
        if !only_goals {
            print_table(title, &measured);
        }
        goals.extend(measured);
    }
    if print_goals(&goals) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn in_memory() -> Vec<Column> {
    let (small, kilobyte) = (Some(Size::SMALL), Some(Size::KB_1));
    let column = |name, size, op, goal: Option<(f64, i64)>| Column {
        name,
        contenders: vec![
            beside_bare(MEMORY, ours::in_memory(size, op), size),
            on_actix(MEMORY_ON_ACTIX, actix::in_memory(size, op), size),
            beside_bare(tower_sessions::NAME, tower_sessions::in_memory(size, op), size),
            beside_bare(axum_session::NAME, axum_session::in_memory(size, op), size),
            beside_bare(ruts::NAME, ruts::in_memory(size, op), size),
        ],
        goals: goal.map(|goal| to_reach(MEMORY, tower_sessions::NAME, goal)).into_iter().collect(),
    };
    vec![
        column("no cookie, untouched", None, Op::Leave, Some((0.10, 1))),
        column("create", None, Op::Write, Some((0.30, 10))),
        column("untouched", small, Op::Leave, Some((0.08, 2))),
        column("read one, small", small, Op::Read, Some((0.15, 4))),
        column("write one, small", small, Op::Write, Some((0.15, 8))),
        column("read one, 1 KB", kilobyte, Op::Read, Some((0.10, 4))),
        column("write one, 1 KB", kilobyte, Op::Write, Some((0.10, 8))),
        column("write one, 3.5 KB", Some(Size::KB_3), Op::Write, None),
    ]
}

fn in_cookies() -> Vec<Column> {
    let (small, kilobyte, more) = (Some(Size::SMALL), Some(Size::KB_1), Some(Size::KB_2));
    let column = |name, size: Option<Size>, op, goals: &[(&'static str, f64, i64)]| {
        let mut contenders = vec![
            beside_bare(SIGNED, ours::in_cookie(size, op), size),
            beside_bare(SIGNED_256, ours::in_cookie_sha256(size, op), size),
            on_actix(SIGNED_ON_ACTIX, actix::in_cookie(size, op), size),
            on_actix(actix_session::SIGNED, actix_session::signed(size, op), size),
            on_actix(actix_session::PRIVATE, actix_session::private(size, op), size),
        ];
        if op != Op::Leave {
            contenders.extend([
                beside_bare(cookie_jar::SIGNED, cookie_jar::signed(size, op), size),
                beside_bare(cookie_jar::PRIVATE, cookie_jar::private(size, op), size),
            ]);
        }
        let goals = goals.iter().map(|(ours, ratio, allocations)| {
            to_reach(ours, actix_session::SIGNED, (*ratio, *allocations))
        });
        Column { name, contenders, goals: goals.collect() }
    };
    vec![
        column("no cookie, untouched", None, Op::Leave, &[]),
        column("untouched, small", small, Op::Leave, &[(SIGNED, 0.02, 2)]),
        column("read one, small", small, Op::Read, &[]),
        column("write one, small", small, Op::Write, &[]),
        column("untouched, 1 KB", kilobyte, Op::Leave, &[(SIGNED, 0.02, 2)]),
        column("read one, 1 KB", kilobyte, Op::Read, &[(SIGNED, 0.20, 4), (SIGNED_256, 0.20, 4)]),
        column(
            "write one, 1 KB",
            kilobyte,
            Op::Write,
            &[(SIGNED, 0.25, 12), (SIGNED_256, 0.25, 12)],
        ),
        column("read one, 2.2 KB", more, Op::Read, &[]),
        column("write one, 2.2 KB", more, Op::Write, &[]),
    ]
}

fn messages() -> Vec<Column> {
    let contenders = vec![
        Contender {
            library: FLASH,
            request: ours::with_messages(),
            bare: ours::in_memory(Some(Size::SMALL), Op::Leave),
        },
        Contender {
            library: axum_messages::NAME,
            request: axum_messages::unused(),
            bare: axum_messages::sessions_alone(),
        },
    ];
    let goals = vec![to_reach(FLASH, axum_messages::NAME, (0.03, 0))];
    vec![Column { name: "messages, unused", contenders, goals }]
}

fn tokens() -> Vec<Column> {
    let posted = |library, request| beside_bare(library, request, Some(Size::SMALL));
    let contenders = vec![
        posted(CSRF_COOKIE, ours::guarded_cookie()),
        posted(CSRF_SESSION, ours::guarded_session()),
        posted(axum_csrf::NAME, axum_csrf::verified()),
        posted(tower_http::NAME, tower_http::admitted()),
    ];
    let goals = vec![
        to_reach(CSRF_COOKIE, axum_csrf::NAME, (0.20, 2)),
        to_reach(CSRF_SESSION, axum_csrf::NAME, (0.20, 2)),
    ];
    vec![Column { name: "verified", contenders, goals }]
}

fn beside_bare(library: &'static str, request: Request, size: Option<Size>) -> Contender {
    Contender { library, request, bare: bare(size.is_some()) }
}

fn on_actix(library: &'static str, request: Request, size: Option<Size>) -> Contender {
    Contender { library, request, bare: actix::bare(size.is_some()) }
}

fn to_reach(ours: &'static str, theirs: &'static str, (ratio, allocations): (f64, i64)) -> Goal {
    Goal { ours, theirs, ratio, allocations }
}

type Filled = (&'static str, Vec<Measured>, Vec<Goal>);

fn print_table(title: &str, columns: &[Filled]) {
    println!("### {title}\n");
    let names: Vec<&str> = columns.iter().map(|(name, ..)| *name).collect();
    println!("| | {} |\n|---|{}", names.join(" | "), "---|".repeat(names.len()));
    let most = columns.iter().max_by_key(|(_, measured, _)| measured.len());
    for Measured { library, .. } in most.into_iter().flat_map(|(_, measured, _)| measured) {
        let cells = columns.iter().map(|(_, measured, _)| {
            let measured = measured.iter().find(|measured| measured.library == *library);
            measured.map_or(String::new(), |Measured { cost, .. }| {
                format!("{:.0} ±{:.0} / {}", cost.ns(), cost.spread(), cost.allocations)
            })
        });
        println!("| {library} | {} |", cells.collect::<Vec<_>>().join(" | "));
    }
    println!();
}

/// Whether all are met.
fn print_goals(columns: &[Filled]) -> bool {
    println!("### Goals\n");
    println!("| row | ours | peer | ratio | goal | met |\n|---|---|---|---|---|---|");
    let mut all_met = true;
    for (name, measured, goals) in columns {
        for goal in goals {
            let reached = goal.reached(measured);
            all_met &= reached.is_met;
            let (ours, theirs) = (&reached.ours, &reached.theirs);
            println!(
                "| {name}: {} | {:.0} ns / {} | {}: {:.0} ns / {} | {:.3} | ≤ {}, ≤ {} | {} |",
                goal.ours.trim_matches('*'),
                ours.ns(),
                ours.allocations,
                goal.theirs,
                theirs.ns(),
                theirs.allocations,
                reached.ratio,
                goal.ratio,
                goal.allocations,
                if reached.is_met { "yes" } else { "no" },
            );
        }
    }
    println!();
    all_met
}
