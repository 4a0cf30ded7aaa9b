//! What happens to the network before any engine: before one process, or before both.

use std::time::Duration;

use cloakroom_engines::Weather;

use super::scene::{Fault, Harm, Scene};

/// Longer than a store leaves a connection unasked that nobody uses.
const REST: Duration = Duration::from_millis(1_200);

/// The network's faults, and those of an engine.
pub(super) fn and<E>(faults: impl IntoIterator<Item = Fault<E>>) -> Vec<Fault<E>> {
    let network = [
        Fault::new("network: slow", |scene| {
            let delay = Duration::from_millis(20 + scene.dice.below(200));
            scene.weather(Weather::Delay(delay));
        }),
        Fault::new("network: answers too late", |scene| {
            scene.weather(Weather::Delay(Duration::from_millis(1_200)));
        }),
        Fault::new("network: silent", |scene| scene.weather(Weather::Stall)),
        Fault::new("network: loses connections", |scene| scene.weather(Weather::Lose)),
        Fault::new("network: in pieces", |scene| scene.weather(Weather::Drip)),
        Fault::new("network: answers cut off", |scene| scene.weather(Weather::ResetMidReply)),
        Fault::new("network: unreachable", |scene| scene.weather(Weather::Refuse)),
        Fault::new("idle connections closed", |scene| while_idle(scene, Weather::Refuse))
            .harm(Harm::Nothing),
        Fault::new("idle connections forgotten", |scene| while_idle(scene, Weather::Lose))
            .harm(Harm::Rests),
    ];
    network.into_iter().chain(faults).collect()
}

/// Something becomes of connections that nobody has used for a while.
fn while_idle<E>(scene: &mut Scene<E>, weather: Weather) {
    std::thread::sleep(REST);
    scene.span = Duration::from_millis(20);
    scene.weather(weather);
}
