//! What the interoperability tests stand on: both [`Sides`] as running services, a [`Model`] that knows what a
//! session must hold, and a [`Script`] of requests that is the same in every run.
//!
//! The two sides are the testbed and `pyramid_app.py`, which answers the same requests from Pyramid's own session.

mod documents;
mod model;
mod script;

use std::env;
use std::path::Path;
use std::process::Command;

use cloakroom_testbed::Service;

pub use documents::Documents;
pub use model::Model;
pub use script::{Request, Script};

/// What both sign with.
const SECRET: &str = "interop-3Jv9sKxR7mQe2LpW8nYtZc4BhUd6FgAiOjElSrTy1Vb5Nq0MwDkXuHzPa";

/// cloakroom and Pyramid, with one secret.
#[derive(Debug)]
pub struct Sides {
    /// The testbed.
    pub rust: Service,
    /// Pyramid.
    pub python: Service,
}

impl Sides {
    /// Starts both.
    ///
    /// # Panics
    /// If either does not start, or the environment does not say where they are.
    #[must_use]
    pub fn start() -> Self {
        let app = Path::new(env!("CARGO_MANIFEST_DIR")).join("pyramid_app.py");
        let mut rust = Command::new(place("CLOAKROOM_TESTBED"));
        let mut python = Command::new(place("CLOAKROOM_PYTHON"));
        Self {
            rust: Service::start(rust.args(["--until-stdin-closes", "--secret", SECRET])),
            python: Service::start(python.arg(app).args(["--secret", SECRET])),
        }
    }

    /// Both, cloakroom first.
    #[must_use]
    pub fn both(&self) -> [&Service; 2] {
        [&self.rust, &self.python]
    }

    /// From one to the other, both ways.
    #[must_use]
    pub fn ways(&self) -> [(&Service, &Service); 2] {
        [(&self.rust, &self.python), (&self.python, &self.rust)]
    }
}

fn place(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| {
        panic!("{name} is not set. Run `cargo xtask test`: it prepares both sides and says where they are.")
    })
}
