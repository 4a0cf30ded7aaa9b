//! A stolen copy of the file opens nothing: every byte of it is searched for what is in the cookies.

use std::collections::HashSet;
use std::path::Path;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::json;
use sha2::{Digest, Sha256};

use cloakroom_testbed::Connection;

use crate::crowd::{login, ticket, values};

const SESSIONS: usize = 200;
/// Where the secret begins in a ticket's 48 bytes.
const SECRET: usize = 16;
/// Of what is searched for, the first bytes are enough: chance finds them once in 2^64.
const PROBE: usize = 8;

fn bytes(ticket: &str) -> Vec<u8> {
    BASE64_URL_SAFE_NO_PAD.decode(ticket).expect("base64")
}

/// What the store keeps of a ticket (FORMATS.md, "Ticket").
fn hash(ticket: &str) -> Vec<u8> {
    let namespace = Sha256::new()
        .chain_update("cloakroom ticket 1 of namespace:")
        .chain_update(Sha256::digest("testbed"));
    let hash = namespace.chain_update(bytes(ticket));
    hash.finalize().to_vec()
}

/// The file with what SQLite keeps beside it.
fn dump(file: &Path) -> Vec<u8> {
    let beside = |end: &str| file.with_extension(format!("sqlite{end}"));
    let parts = ["", "-wal", "-shm"].map(|end| std::fs::read(beside(end)).unwrap_or_default());
    assert!(!parts[0].is_empty(), "{file:?} is there");
    parts.concat()
}

/// All that is somewhere in the dump and was searched for.
fn found<'a>(dump: &'a [u8], searched: &HashSet<&[u8]>) -> HashSet<&'a [u8]> {
    // Most first bytes begin nothing that is searched for, in the zeros at least.
    let first: HashSet<u8> = searched.iter().map(|probe| probe[0]).collect();
    let first: Vec<bool> = (0..=255).map(|byte| first.contains(&byte)).collect();
    let windows = dump.windows(PROBE).filter(|window| first[usize::from(window[0])]);
    windows.filter(|window| searched.contains(window)).collect()
}

/// The beginning of each.
fn probes<T: AsRef<[u8]>>(searched: &[T]) -> Vec<&[u8]> {
    searched.iter().map(|bytes| &bytes.as_ref()[..PROBE]).collect()
}

#[test]
fn s3_the_file_holds_no_ticket() {
    let file = crate::new_file();
    let service = crate::start(&format!("--factory sqlite:{} --durability fast", file.display()));
    let connection = &mut Connection::to(&service);
    let tickets: Vec<String> = (0..SESSIONS)
        .flat_map(|number| {
            let first = login(connection, &format!("owner-{number}"));
            let renewed = ticket(&connection.post("/renew", &first, &json!({})));
            connection.post("/set", &renewed, &json!({"key": "a", "value": number}));
            [first, renewed]
        })
        .collect();

    let places: Vec<Vec<u8>> = tickets.iter().map(|ticket| bytes(ticket)).collect();
    let hashes: Vec<Vec<u8>> = tickets.iter().map(|ticket| hash(ticket)).collect();
    // The secrets: as bytes, as hexadecimal digits, and as in the cookie, where 22 characters hold the locator.
    let raw: Vec<&[u8]> = places.iter().map(|bytes| &bytes[SECRET..]).collect();
    let hex = |raw: &&[u8]| raw.iter().map(|byte| format!("{byte:02x}")).collect();
    let lower: Vec<String> = raw.iter().map(hex).collect();
    let upper: Vec<String> = lower.iter().map(|hex| hex.to_uppercase()).collect();
    let text: Vec<&[u8]> = tickets.iter().map(|ticket| &ticket.as_bytes()[22..]).collect();

    let secrets = [probes(&raw), probes(&lower), probes(&upper), probes(&text)].concat();
    let others = [probes(&places), probes(&hashes)].concat();
    let dump = dump(&file);
    let found = found(&dump, &secrets.iter().chain(&others).copied().collect());
    // It is the right dump: the locators are in it, and so are the hashes, of former tickets too.
    assert!(others.iter().all(|probe| found.contains(probe)));
    assert_eq!(secrets.iter().filter(|probe| found.contains(*probe)).count(), 0);
}

#[test]
fn s3_what_is_in_the_file_opens_nothing() {
    let service = crate::start("--factory sqlite:");
    let connection = &mut Connection::to(&service);
    let live = login(connection, "ada");
    let place = &bytes(&live)[..SECRET];
    for stolen in [[place, &hash(&live)].concat(), [&hash(&live)[..], place].concat()] {
        let shown = BASE64_URL_SAFE_NO_PAD.encode(stolen);
        assert_eq!(values(connection, &shown), json!({}));
    }
    assert_eq!(values(connection, &live), json!({"user": "ada"}));
}
