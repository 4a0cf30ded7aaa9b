//! The cost of one request: time as the median of many samples, allocations exactly.

use std::future::Future;
use std::hint::black_box;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use tower::Service;

const SAMPLES: usize = 21;
const SAMPLE: Duration = Duration::from_millis(20);

/// What one request costs.
#[derive(Debug, Clone, Copy)]
pub struct Cost {
    /// Nanoseconds.
    pub ns: f64,
    /// Allocations.
    pub allocations: i64,
}

impl Cost {
    /// Without what the same request costs where there is no session.
    #[must_use]
    pub fn beyond(self, bare: Self) -> Self {
        Self { ns: self.ns - bare.ns, allocations: self.allocations - bare.allocations }
    }
}

/// Measures something that can be done again and again.
pub fn cost(mut once: impl FnMut()) -> Cost {
    let began = Instant::now();
    let mut rounds = 0_u32;
    while began.elapsed() < SAMPLE {
        once();
        rounds += 1;
    }
    let mut samples: Vec<f64> = (0..SAMPLES)
        .map(|_| {
            let began = Instant::now();
            (0..rounds).for_each(|_| once());
            began.elapsed().as_nanos() as f64 / f64::from(rounds)
        })
        .collect();
    samples.sort_by(f64::total_cmp);
    // The mean of many, because tables grow now and then.
    let counted = allocation_counter::measure(|| (0..1000).for_each(|_| once()));
    let allocations = (counted.count_total as f64 / 1000.0).round() as i64;
    Cost { ns: samples[SAMPLES / 2], allocations }
}

/// Asks a service. What does not answer at once has handed its work to another thread, where it cannot be measured.
pub fn ask<S, Q>(service: &mut S, request: Q) -> S::Response
where
    S: Service<Q, Error: std::fmt::Debug>,
{
    at_once(service.call(request)).expect("an answer")
}

/// What a future that is ready gives.
pub fn at_once<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => black_box(answer),
        Poll::Pending => panic!("answered by another thread"),
    }
}
