//! A PostgreSQL that keeps what it has acknowledged, whatever happens to it.

use std::process::{Child, Command, Stdio};

use cloakroom_engines::Postgres;

use super::scene::{Fault, Scene};
use super::{network, rage};
use crate::users::until;

const TERMINATE: &str =
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'visitor'";

#[test]
fn s77_postgres_gives_nobody_a_wrong_answer_and_recovers_from_all_of_it() {
    let postgres = Postgres::start().unwrap();
    // Not the one who may do everything.
    does(&postgres, &["CREATE ROLE visitor LOGIN", "GRANT ALL ON SCHEMA public TO visitor"]);
    let url = postgres.url().replace("postgres@", "visitor@");
    let faults = network::and([
        Fault::new("read-only", |scene| {
            scene.set("default_transaction_read_only = on");
            scene.last();
            scene.reset("default_transaction_read_only");
        }),
        Fault::new("restarted", |scene| scene.engine.restart().unwrap()),
        Fault::new("crashed", crash),
        Fault::new("connections ended", |scene| scene.does(&[TERMINATE])),
        Fault::new("table locked", |scene| {
            let lock = "LOCK TABLE storm IN ACCESS EXCLUSIVE MODE";
            scene.does(&["BEGIN", lock, &scene.sleep(), "COMMIT"]);
        }),
        Fault::new("rows locked", |scene| {
            let lock = "SELECT count(*) FROM (SELECT 1 FROM storm FOR UPDATE) AS all_of_them";
            scene.does(&["BEGIN", lock, &scene.sleep(), "COMMIT"]);
        }),
        Fault::new("deadlock of others", deadlock),
        Fault::new("rights taken", |scene| {
            scene.does(&["REVOKE ALL ON storm FROM visitor"]);
            scene.last();
            scene.does(&["GRANT ALL ON storm TO visitor"]);
        }),
        Fault::new("user turned off", |scene| {
            scene.between("ALTER ROLE visitor NOLOGIN", "ALTER ROLE visitor LOGIN");
        }),
        Fault::new("too many connections", |scene| {
            let none = "ALTER ROLE visitor CONNECTION LIMIT 0";
            scene.between(none, "ALTER ROLE visitor CONNECTION LIMIT -1");
        }),
        Fault::new("table away", |scene| {
            scene.does(&["ALTER TABLE storm RENAME TO away"]);
            scene.last();
            scene.does(&["ALTER TABLE away RENAME TO storm"]);
        }),
        Fault::new("table changed", |scene| {
            scene.does(&["ALTER TABLE storm ADD COLUMN more text"]);
            scene.last();
            scene.does(&["ALTER TABLE storm DROP COLUMN more"]);
        }),
        Fault::new("server closes what is idle", |scene| {
            scene.set("idle_session_timeout = '30ms'");
            scene.last();
            scene.reset("idle_session_timeout");
        }),
    ]);
    rage(postgres, &url, faults);
}

impl Scene<Postgres> {
    fn does(&self, statements: &[&str]) {
        does(&self.engine, statements);
    }

    fn set(&self, setting: &str) {
        self.does(&[&format!("ALTER SYSTEM SET {setting}"), "SELECT pg_reload_conf()"]);
    }

    fn reset(&self, setting: &str) {
        self.does(&[&format!("ALTER SYSTEM RESET {setting}"), "SELECT pg_reload_conf()"]);
    }

    /// Nobody who visits is let in for a while, nor stays.
    fn between(&self, bad: &str, good: &str) {
        self.does(&[bad, TERMINATE]);
        self.last();
        self.does(&[good]);
    }

    fn sleep(&self) -> String {
        format!("SELECT pg_sleep({})", self.span.as_secs_f64())
    }
}

/// Runs statements one by one, in one session, and gives what they answer.
fn does(postgres: &Postgres, statements: &[&str]) -> String {
    let output = psql(postgres, statements).wait_with_output().unwrap();
    let complaint = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{statements:?}: {complaint}");
    String::from_utf8(output.stdout).unwrap()
}

fn psql(postgres: &Postgres, statements: &[&str]) -> Child {
    let mut client = Command::new("psql");
    client.args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", &postgres.url()]);
    client.args(["--set", "ON_ERROR_STOP=1"]);
    client.args(statements.iter().flat_map(|statement| ["--command", statement]));
    client.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// A process of its own for each connection: where one is killed, the server ends all others, and reads its log.
fn crash(scene: &mut Scene<Postgres>) {
    let pids = "SELECT pid FROM pg_stat_activity WHERE usename = 'visitor' LIMIT 1";
    let pid = does(&scene.engine, &[pids]);
    if !pid.trim().is_empty() {
        // One that has ended meanwhile crashes nothing.
        let _ = Command::new("kill").args(["-KILL", pid.trim()]).status();
    }
    until("it is there again", || {
        psql(&scene.engine, &["SELECT 1"]).wait_with_output().unwrap().status.success()
    });
}

/// Two who lock all rows between them, and want each other's: one of them is the server's victim.
fn deadlock(scene: &mut Scene<Postgres>) {
    let lock = |half: &str| {
        format!("SELECT count(*) FROM (SELECT 1 FROM storm WHERE key {half} FOR UPDATE) AS half")
    };
    let halves = [lock(r"< '\x80'"), lock(r">= '\x80'")];
    let sleep = scene.sleep();
    let mut both = [[&halves[0], &halves[1]], [&halves[1], &halves[0]]].map(|[first, second]| {
        let timeout = "SET deadlock_timeout = '100ms'";
        psql(&scene.engine, &[timeout, "BEGIN", first, &sleep, second, "COMMIT"])
    });
    both.iter_mut().for_each(|client| drop(client.wait()));
}
