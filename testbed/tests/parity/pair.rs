//! Two processes that are asked the same, and the first answers of theirs that are not.

use std::collections::BTreeMap;
use std::io;
use std::io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};

use cloakroom_testbed::{Answer, Connection, Service};
use http::HeaderValue;

use crate::request::{Jar, Request};
use crate::{ADAPTERS, LEFT_OUT, start};

/// As many as a sequence has at the most.
const VISITORS: usize = 3;

/// One testbed on each adapter.
pub(crate) struct Pair([Side; 2]);

struct Side {
    connection: Connection,
    jars: [Jar; VISITORS],
    service: Service,
}

/// What must be the same.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    status: u16,
    headers: BTreeMap<String, Vec<HeaderValue>>,
    body: String,
}

/// The answers that differ, and to which request of the sequence.
pub(crate) struct Difference {
    at: usize,
    answers: [Seen; 2],
}

impl Pair {
    pub(crate) fn start(options: &str) -> Self {
        Self(ADAPTERS.map(|adapter| {
            let service = start(adapter, options);
            let connection = Connection::to(&service);
            Side { connection, jars: Default::default(), service }
        }))
    }

    /// Sends a sequence of new visitors to both, and says with which statuses both answered.
    pub(crate) fn ask(&mut self, sequence: &[Request]) -> Result<Vec<u16>, Difference> {
        for side in &mut self.0 {
            side.jars = Default::default();
        }
        let answers = sequence.iter().enumerate().map(|(at, request)| {
            let [one, other] = &mut self.0;
            // Both are at work at the same time.
            let (to_one, to_other) = (one.send(request), other.send(request));
            let answers = [one.receive(to_one, request), other.receive(to_other, request)];
            if answers[0] == answers[1] {
                Ok(answers[0].status)
            } else {
                Err(Difference { at, answers })
            }
        });
        answers.collect()
    }
}

impl Side {
    fn send(&mut self, request: &Request) -> io::Result<()> {
        let (own, other) = (request.visitor, (request.visitor + 1) % VISITORS);
        let bytes = request.bytes(&self.jars[own], &self.jars[other]);
        self.connection.send_bytes(&bytes)
    }

    fn receive(&mut self, sent: io::Result<()>, request: &Request) -> Seen {
        let answer = sent.and_then(|()| self.connection.receive(request.method));
        let answer = match answer {
            // A server may hang up after any answer, and most do without a word. Browsers ask again, too.
            Err(error) if [BrokenPipe, ConnectionReset, UnexpectedEof].contains(&error.kind()) => {
                self.connection = Connection::to(&self.service);
                self.send(request).and_then(|()| self.connection.receive(request.method))
            }
            answer => answer,
        };
        let answer = answer.unwrap_or_else(|error| panic!("{request}: {error}"));
        self.jars[request.visitor].keep(&answer);
        Seen::of(&answer)
    }
}

impl Seen {
    fn of(answer: &Answer) -> Self {
        let mut headers = BTreeMap::<_, Vec<_>>::new();
        for (name, value) in &answer.headers {
            if !LEFT_OUT.contains(&name.as_str()) {
                headers.entry(name.to_string()).or_default().push(value.clone());
            }
        }
        Self { status: answer.status, headers, body: answer.text.clone() }
    }
}

/// The difference in words, with as few requests before it as new processes need to show one.
pub(crate) fn shortened(options: &str, sequence: &[Request], first: Difference) -> String {
    let mut sequence = sequence[..=first.at].to_vec();
    let mut shown = first;
    let mut dropped = sequence.len();
    while dropped > 0 {
        dropped -= 1;
        let mut fewer = sequence.clone();
        fewer.remove(dropped);
        if let Err(difference) = Pair::start(options).ask(&fewer) {
            fewer.truncate(difference.at + 1);
            (sequence, shown) = (fewer, difference);
            dropped = dropped.min(sequence.len());
        }
    }
    let requests: String = sequence.iter().map(|request| format!("  {request}\n")).collect();
    let [one, other] = &shown.answers;
    format!("{requests}{}: {one:#?}\n{}: {other:#?}", ADAPTERS[0], ADAPTERS[1])
}
