//! The network between a program and its engine, as bad as a test wishes: a proxy in this process, which connections
//! pass until the weather changes.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle, sleep};
use std::time::Duration;

/// What becomes of what is sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Weather {
    /// It passes.
    #[default]
    Fair,
    /// The engine's answers take this much longer.
    Delay(Duration),
    /// Nothing passes, and connections stay open; when it clears up, all of it arrives.
    Stall,
    /// Nothing passes, and what was open or is opened meanwhile is never heard of again.
    Lose,
    /// The engine's answers come in pieces of a few bytes, so that no message of a protocol arrives whole.
    Drip,
    /// The engine's answer stops in its middle, and the connection ends.
    ResetMidReply,
    /// Connections end, old and new ones.
    Refuse,
}

/// A port that leads to an engine. Dropping it ends all connections.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    /// The one it was made for.
    engine: String,
    network: Arc<Network>,
    listener: Option<JoinHandle<()>>,
}

impl Proxy {
    /// To the engine at this URL, in fair weather.
    ///
    /// # Errors
    /// If there is no free port.
    pub fn to(url: &str) -> io::Result<Self> {
        let engine = address(url).to_owned();
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let (port, network) = (listener.local_addr()?.port(), Arc::new(Network::default()));
        network.state().engine.clone_from(&engine);
        let passing = network.clone();
        let listener = thread::spawn(move || passing.accept(&listener));
        Ok(Self { port, engine, network, listener: Some(listener) })
    }

    /// The URL of the engine, by way of this proxy.
    #[must_use]
    pub fn before(&self, url: &str) -> String {
        url.replace(&self.engine, &format!("127.0.0.1:{}", self.port))
    }

    /// Leads new connections to another engine, as a service's name does after a switchover; those that are open stay.
    pub fn lead_to(&self, url: &str) {
        address(url).clone_into(&mut self.network.state().engine);
    }

    /// How many connections were opened so far.
    #[must_use]
    pub fn opened(&self) -> u64 {
        self.network.state().opened
    }

    /// Changes the weather.
    pub fn set(&self, weather: Weather) {
        let mut state = self.network.state();
        if state.weather == Weather::Lose || weather == Weather::Lose {
            state.lost = state.opened;
        }
        state.weather = weather;
        if weather == Weather::Refuse {
            state.open.values().for_each(end);
        }
        self.network.changed.notify_all();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.network.state().is_over = true;
        self.set(Weather::Refuse);
        // It sees that all is over when somebody comes.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
        let _ = self.listener.take().map(JoinHandle::join);
    }
}

#[derive(Debug, Default)]
struct Network {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    weather: Weather,
    /// Where new connections lead.
    engine: String,
    /// Both ends of each connection, by its number.
    open: HashMap<u64, [TcpStream; 2]>,
    /// How many there were.
    opened: u64,
    /// How many of them, the first ones, are never heard of again.
    lost: u64,
    is_over: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    ToEngine,
    FromEngine,
}

impl Network {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn accept(self: Arc<Self>, listener: &TcpListener) {
        for program in listener.incoming() {
            if self.state().is_over {
                return;
            }
            let engine = self.state().engine.clone();
            // The program sees a connection that ends at once if the engine is not there.
            let _ = program.and_then(|program| self.open(program, TcpStream::connect(engine)?));
        }
    }

    fn open(self: &Arc<Self>, program: TcpStream, engine: TcpStream) -> io::Result<()> {
        program.set_nodelay(true)?;
        engine.set_nodelay(true)?;
        let ends = [program.try_clone()?, engine.try_clone()?];
        let back = [engine.try_clone()?, program.try_clone()?];
        let mut state = self.state();
        if state.weather == Weather::Refuse {
            return Ok(());
        }
        state.opened += 1;
        let number = state.opened;
        state.open.insert(number, ends);
        for (way, [from, to]) in [(Way::ToEngine, [program, engine]), (Way::FromEngine, back)] {
            let network = self.clone();
            thread::spawn(move || {
                // Whether it ended well does not matter: it has ended.
                let _ = network.pass(number, way, from, to);
                network.state().open.remove(&number).iter().for_each(end);
            });
        }
        Ok(())
    }

    fn pass(
        &self,
        number: u64,
        way: Way,
        mut from: TcpStream,
        mut to: TcpStream,
    ) -> io::Result<()> {
        let mut chunk = vec![0; 64 * 1024];
        loop {
            let length = from.read(&mut chunk)?;
            match self.weather_for(number) {
                _ if length == 0 => return Ok(()),
                Weather::Delay(delay) if way == Way::FromEngine => sleep(delay),
                Weather::Drip if way == Way::FromEngine => {
                    drip(&mut to, &chunk[..length])?;
                    continue;
                }
                Weather::ResetMidReply if way == Way::FromEngine => {
                    return to.write_all(&chunk[..length / 2]);
                }
                _ => {}
            }
            to.write_all(&chunk[..length])?;
        }
    }

    /// The weather when this connection's bytes are let go.
    fn weather_for(&self, number: u64) -> Weather {
        let waits = |state: &mut State| {
            let is_silent = matches!(state.weather, Weather::Stall | Weather::Lose);
            !state.is_over && (is_silent || number <= state.lost)
        };
        let state = self.changed.wait_while(self.state(), waits);
        state.unwrap_or_else(PoisonError::into_inner).weather
    }
}

fn drip(to: &mut TcpStream, bytes: &[u8]) -> io::Result<()> {
    bytes.chunks(7).try_for_each(|piece| {
        to.write_all(piece)?;
        // Long enough for the other end to see it alone.
        sleep(Duration::from_micros(20));
        Ok(())
    })
}

fn end(ends: &[TcpStream; 2]) {
    // One that has ended already cannot be shut down.
    ends.iter().for_each(|end| drop(end.shutdown(Shutdown::Both)));
}

/// Host and port of a URL.
fn address(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let rest = rest.split('/').next().unwrap_or(rest);
    rest.rsplit('@').next().unwrap_or(rest)
}
