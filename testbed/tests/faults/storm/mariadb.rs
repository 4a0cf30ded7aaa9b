//! A MariaDB that keeps what it has acknowledged, whatever happens to it.

use std::process::{Child, Command, Stdio};

use cloakroom_engines::MariaDb;

use super::scene::{Fault, Scene};
use super::{network, rage};

const GRANT: &str = "GRANT ALL ON cloakroom.storm TO visitor@'%'";

#[test]
fn s77_mariadb_gives_nobody_a_wrong_answer_and_recovers_from_all_of_it() {
    let mariadb = MariaDb::start().unwrap();
    // Not the one who may do everything.
    does(&mariadb, &format!("CREATE USER visitor@'%'; {GRANT}"));
    let url = mariadb.url().replace("root@", "visitor@");
    let faults = network::and([
        Fault::new("read-only", |scene| {
            scene.between("SET GLOBAL read_only = 1", "SET GLOBAL read_only = 0");
        }),
        Fault::new("restarted", |scene| scene.engine.restart().unwrap()),
        Fault::new("connections killed", Scene::hang_up),
        Fault::new("table locked", |scene| {
            scene.does(&format!("LOCK TABLES storm WRITE; {}; UNLOCK TABLES", scene.sleep()));
        }),
        Fault::new("all tables locked", |scene| {
            let lock = "FLUSH TABLES WITH READ LOCK";
            scene.does(&format!("{lock}; {}; UNLOCK TABLES", scene.sleep()));
        }),
        Fault::new("rows locked", |scene| {
            let lock = "SELECT COUNT(*) FROM storm FOR UPDATE";
            scene.does(&format!("START TRANSACTION; {lock}; {}; COMMIT", scene.sleep()));
        }),
        Fault::new("deadlock of others", deadlock),
        Fault::new("rights taken", |scene| {
            scene.between("REVOKE ALL ON cloakroom.storm FROM visitor@'%'", GRANT);
        }),
        Fault::new("user turned off", |scene| {
            scene.does("ALTER USER visitor@'%' ACCOUNT LOCK");
            scene.hang_up();
            scene.last();
            scene.does("ALTER USER visitor@'%' ACCOUNT UNLOCK");
        }),
        Fault::new("too many connections", |scene| {
            scene.does("ALTER USER visitor@'%' WITH MAX_USER_CONNECTIONS 1");
            scene.hang_up();
            scene.last();
            scene.does("ALTER USER visitor@'%' WITH MAX_USER_CONNECTIONS 0");
        }),
        Fault::new("table away", |scene| {
            scene.between("RENAME TABLE storm TO away", "RENAME TABLE away TO storm");
        }),
        Fault::new("table changed", |scene| {
            let (bad, good) = ("ADD COLUMN more TEXT", "DROP COLUMN more");
            scene
                .between(&format!("ALTER TABLE storm {bad}"), &format!("ALTER TABLE storm {good}"));
        }),
    ]);
    rage(mariadb, &url, faults);
}

impl Scene<MariaDb> {
    fn does(&self, statements: &str) {
        does(&self.engine, statements);
    }

    fn between(&self, bad: &str, good: &str) {
        self.does(bad);
        self.last();
        self.does(good);
    }

    /// Ends all connections of those who visit.
    fn hang_up(&mut self) {
        let kill = "SELECT CONCAT('KILL ', id, ';') FROM information_schema.processlist \
                    WHERE user = 'visitor'";
        let kills = does(&self.engine, kill);
        if !kills.is_empty() {
            // Some have ended meanwhile.
            drop(client(&self.engine, &kills, &["--force"]).wait_with_output());
        }
    }

    fn sleep(&self) -> String {
        format!("DO SLEEP({})", self.span.as_secs_f64())
    }
}

/// Runs statements in one session, and gives what they answer.
fn does(mariadb: &MariaDb, statements: &str) -> String {
    let output = client(mariadb, statements, &[]).wait_with_output().unwrap();
    let complaint = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{statements}: {complaint}");
    String::from_utf8(output.stdout).unwrap()
}

fn client(mariadb: &MariaDb, statements: &str, more: &[&str]) -> Child {
    let url = mariadb.url();
    let (port, database) = url.rsplit_once(':').and_then(|(_, rest)| rest.split_once('/')).unwrap();
    let mut client = Command::new("mariadb");
    client.args(["--no-defaults", "--host=127.0.0.1", "--user=root", "--skip-column-names"]);
    client.args([&format!("--port={port}"), "--database", database]).args(more);
    client.args(["--execute", statements]);
    client.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Two who lock all rows between them, and want each other's: one of them is the server's victim.
fn deadlock(scene: &mut Scene<MariaDb>) {
    let halves = ["<", ">="]
        .map(|half| format!("SELECT COUNT(*) FROM storm WHERE `key` {half} 0x80 FOR UPDATE"));
    let both = [[&halves[0], &halves[1]], [&halves[1], &halves[0]]].map(|[first, second]| {
        let sleep = scene.sleep();
        let all = format!("START TRANSACTION; {first}; {sleep}; {second}; COMMIT");
        client(&scene.engine, &all, &[])
    });
    both.into_iter().for_each(|client| drop(client.wait_with_output()));
}
