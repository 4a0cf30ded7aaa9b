//! What one request costs inside the process, beyond what it costs without a session: ours beside the others.
//!
//! `cargo run --release --manifest-path bench/Cargo.toml --bin in_process`. Ends with an error where a goal is missed.

use std::process::ExitCode;

use cloakroom_bench::ours;
use cloakroom_bench::peers::{actix_session, axum_csrf, axum_messages, tower_sessions};
use cloakroom_bench::session::{Op, Size};
use cloakroom_bench::table::{Row, print};

fn main() -> ExitCode {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_time().build();
    let runtime = runtime.expect("a runtime");
    let _inside = runtime.enter();
    let rows: Vec<Row> = in_memory().into_iter().chain(in_cookies()).chain(beside()).collect();
    print(&rows);
    if rows.iter().all(Row::is_met) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn in_memory() -> Vec<Row> {
    let (ours, theirs) = (ours::memory(), tower_sessions::memory());
    let goals = [
        ("no cookie, untouched", None, Op::Leave, 0.10, 1),
        ("ticket, untouched", Some(Size::Small), Op::Leave, 0.08, 2),
        ("read one, small", Some(Size::Small), Op::Read, 0.15, 4),
        ("read one, 1 KB", Some(Size::Kilobyte), Op::Read, 0.10, 4),
        ("write one, small", Some(Size::Small), Op::Write, 0.15, 8),
        ("write one, 1 KB", Some(Size::Kilobyte), Op::Write, 0.10, 8),
        ("create", None, Op::Write, 0.30, 10),
    ];
    goals
        .into_iter()
        .map(|(name, size, op, ratio, allocations)| {
            let (our_cookie, their_cookie) = (
                size.map(|it| ours::begin(&ours, it)),
                size.map(|it| tower_sessions::begin(&theirs, it)),
            );
            Row {
                name,
                peer: "tower-sessions 0.15",
                ours: ours::handled(&ours, our_cookie.as_ref(), op),
                theirs: tower_sessions::handled(&theirs, their_cookie.as_ref(), op),
                ratio,
                allocations,
            }
        })
        .collect()
}

fn in_cookies() -> Vec<Row> {
    let sessions = ours::signed();
    let goals = [
        ("signed cookie, 1 KB, untouched", Op::Leave, 0.02, 2),
        ("signed cookie, 1 KB, read", Op::Read, 0.20, 4),
        ("signed cookie, 1 KB, write", Op::Write, 0.25, 12),
    ];
    goals
        .into_iter()
        .map(|(name, op, ratio, allocations)| {
            let cookie = ours::begin(&sessions, Size::Kilobyte);
            Row {
                name,
                peer: "actix-session 0.11, signed",
                ours: ours::handled(&sessions, Some(&cookie), op),
                theirs: actix_session::handled(Size::Kilobyte, op),
                ratio,
                allocations,
            }
        })
        .collect()
}

fn beside() -> Vec<Row> {
    let sessions = ours::memory();
    let cookie = ours::begin(&sessions, Size::Small);
    vec![
        Row {
            name: "flash unused",
            peer: "axum-messages 0.8",
            ours: ours::handled(&sessions, Some(&cookie), Op::Leave),
            theirs: axum_messages::unused(),
            ratio: 0.03,
            allocations: 0,
        },
        Row {
            name: "CSRF token verified",
            peer: "axum_csrf 0.12",
            ours: ours::guarded(),
            theirs: axum_csrf::verified(),
            ratio: 0.20,
            allocations: 2,
        },
    ]
}
