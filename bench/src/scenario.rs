//! One request, sent to several libraries in turn, and what each adds to what it costs without any.

use crate::measure::{Cost, Request, costs};

/// What one library is asked for, beside the request that its cost is counted from.
pub struct Contender {
    pub library: &'static str,
    pub request: Request,
    pub bare: Request,
}

/// What a library adds to a request.
#[derive(Debug, Clone)]
pub struct Measured {
    pub library: &'static str,
    pub cost: Cost,
}

/// Measures all of them in turn.
#[must_use]
pub fn measure(contenders: Vec<Contender>) -> Vec<Measured> {
    let (mut libraries, mut requests) = (Vec::new(), Vec::new());
    for Contender { library, request, bare } in contenders {
        libraries.push(library);
        requests.extend([request, bare]);
    }
    let costs = costs(&mut requests);
    let beyond = costs.chunks(2).map(|pair| pair[0].beyond(&pair[1]));
    libraries.into_iter().zip(beyond).map(|(library, cost)| Measured { library, cost }).collect()
}

/// What is to hold between two of the libraries.
#[derive(Debug, Clone, Copy)]
pub struct Goal {
    pub ours: &'static str,
    pub theirs: &'static str,
    /// Ours divided by theirs, at most.
    pub ratio: f64,
    pub allocations: i64,
}

/// How far a goal was reached.
#[derive(Debug, Clone)]
pub struct Reached {
    pub ours: Cost,
    pub theirs: Cost,
    pub ratio: f64,
    pub is_met: bool,
}

impl Goal {
    /// # Panics
    /// If one of its two libraries was not measured.
    #[must_use]
    pub fn reached(&self, measured: &[Measured]) -> Reached {
        let cost = |name| {
            let found = measured.iter().find(|measured| measured.library == name);
            found.unwrap_or_else(|| panic!("{name} was not measured")).cost.clone()
        };
        let (ours, theirs) = (cost(self.ours), cost(self.theirs));
        let ratio = ours.ratio(&theirs);
        let is_met = ratio <= self.ratio && ours.allocations <= self.allocations;
        Reached { ours, theirs, ratio, is_met }
    }
}
