//! What a fault is, and where it happens: an engine, two services on it, and a network before each.

use std::process::Command;
use std::thread;
use std::time::Duration;

use cloakroom_engines::{Proxy, Weather};
use cloakroom_testbed::{Dice, Service};

use crate::BUDGET;

/// Something that can happen.
pub(super) struct Fault<E> {
    pub(super) name: &'static str,
    pub(super) harm: Harm<E>,
    /// From its beginning to its end.
    pub(super) happen: fn(&mut Scene<E>),
}

/// What a fault may do to visitors.
pub(super) enum Harm<E> {
    /// They are refused.
    Refuses,
    /// The same, although they rest while it happens.
    Rests,
    /// Nothing: they rest while it happens, and nobody is refused afterwards.
    Nothing,
    /// They are forgotten, as this engine documents.
    Forgets,
    /// They are refused, and what was acknowledged lately is undone. What was acknowledged before is where this waits
    /// for it.
    Undoes(fn(&Scene<E>)),
}

impl<E> Fault<E> {
    pub(super) const fn new(name: &'static str, happen: fn(&mut Scene<E>)) -> Self {
        Self { name, harm: Harm::Refuses, happen }
    }

    pub(super) const fn harm(self, harm: Harm<E>) -> Self {
        Self { harm, ..self }
    }
}

/// Where it happens.
pub(super) struct Scene<E> {
    pub(super) engine: E,
    /// By way of each network, the engine's URL.
    urls: [String; 2],
    /// None before what is reached without a network.
    pub(super) networks: Vec<Proxy>,
    /// The processes, by their ids.
    pub(super) processes: Vec<u32>,
    pub(super) dice: Dice,
    /// How long the next fault lasts.
    pub(super) span: Duration,
}

impl<E> Scene<E> {
    pub(super) fn new(engine: E, url: &str, seed: u64) -> Self {
        let has_network = url.contains("://");
        let networks =
            if has_network { [(); 2].map(|()| Proxy::to(url).unwrap()).into() } else { Vec::new() };
        let way = |number: usize| {
            networks.get(number).map_or_else(|| url.to_owned(), |proxy: &Proxy| proxy.before(url))
        };
        Self {
            engine,
            urls: [way(0), way(1)],
            networks,
            processes: Vec::new(),
            dice: Dice::new(seed),
            span: Duration::ZERO,
        }
    }

    /// Starts both services.
    pub(super) fn serve(&mut self) -> Vec<Service> {
        let services: Vec<Service> = self.urls.iter().map(|url| service(url)).collect();
        self.processes = services.iter().map(Service::id).collect();
        services
    }

    /// Lets the fault last.
    pub(super) fn last(&self) {
        thread::sleep(self.span);
    }

    /// Makes the weather before one of the services, or both, and then a fair one.
    pub(super) fn weather(&mut self, weather: Weather) {
        // Neither, the first, the second.
        let spared = self.dice.below(3);
        let hit = |number: u64| spared != number + 1;
        for (network, _) in self.networks.iter().zip(0..).filter(|(_, number)| hit(*number)) {
            network.set(weather);
        }
        self.last();
        self.networks.iter().for_each(|network| network.set(Weather::Fair));
    }
}

/// A testbed on this engine, which is told by the system that a file may not grow, instead of being ended.
fn service(url: &str) -> Service {
    let mut command = Command::new("sh");
    command.args([
        "-c",
        r#"trap "" XFSZ; exec "$@""#,
        "sh",
        env!("CARGO_BIN_EXE_cloakroom-testbed"),
    ]);
    command.args(["--until-stdin-closes", "--factory", url]).args(BUDGET.split(' '));
    if url.contains("://") {
        command.args(["--prefix", "storm"]);
    }
    Service::start(&mut command)
}
