//! The cost of a request: time as the median of many samples, allocations exactly.

use std::future::Future;
use std::hint::black_box;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use tower::Service;

const SAMPLES: usize = 21;
const SAMPLE: Duration = Duration::from_millis(20);
/// So many that what happens now and then, such as a table that grows, is less than half an allocation for each.
const COUNTED: u32 = 1000;

/// Sends one request each time it is called.
pub type Request = Box<dyn FnMut()>;

/// What one request costs.
#[derive(Debug, Clone)]
pub struct Cost {
    /// Nanoseconds, one figure for each sample.
    samples: Vec<f64>,
    /// Allocations.
    pub allocations: i64,
}

impl Cost {
    /// Without what the same request costs where there is no session.
    #[must_use]
    pub fn beyond(&self, bare: &Self) -> Self {
        let samples = self.samples.iter().zip(&bare.samples).map(|(all, bare)| all - bare);
        Self { samples: samples.collect(), allocations: self.allocations - bare.allocations }
    }

    /// The median of this, divided by that of the other, sample by sample.
    #[must_use]
    pub fn ratio(&self, other: &Self) -> f64 {
        // What is lost in the noise around a bare request is nothing.
        let ratios = self.samples.iter().zip(&other.samples);
        quantile(ratios.map(|(one, other)| one.max(0.0) / other.max(1.0)), 0.5)
    }

    /// Nanoseconds, the median.
    #[must_use]
    pub fn ns(&self) -> f64 {
        quantile(self.samples.iter().copied(), 0.5)
    }

    /// Half of the distance between the quartiles, in nanoseconds.
    #[must_use]
    pub fn spread(&self) -> f64 {
        let at = |part| quantile(self.samples.iter().copied(), part);
        (at(0.75) - at(0.25)) / 2.0
    }
}

/// The figure below which this part of all lies.
#[must_use]
pub fn quantile(figures: impl Iterator<Item = f64>, part: f64) -> f64 {
    let mut figures: Vec<f64> = figures.collect();
    figures.sort_by(f64::total_cmp);
    let last = figures.len().saturating_sub(1) as f64;
    figures.get((last * part).round() as usize).copied().unwrap_or(f64::NAN)
}

/// Measures several requests. They take turns, so that a machine that slows down does so for all of them.
pub fn costs(requests: &mut [Request]) -> Vec<Cost> {
    let rounds: Vec<u32> = requests.iter_mut().map(rounds_in_a_sample).collect();
    let mut samples = vec![Vec::with_capacity(SAMPLES); requests.len()];
    for _ in 0..SAMPLES {
        for ((request, rounds), samples) in requests.iter_mut().zip(&rounds).zip(&mut samples) {
            let began = Instant::now();
            (0..*rounds).for_each(|_| request());
            samples.push(began.elapsed().as_nanos() as f64 / f64::from(*rounds));
        }
    }
    let counted = requests.iter_mut().map(allocations);
    let costs = samples.into_iter().zip(counted);
    costs.map(|(samples, allocations)| Cost { samples, allocations }).collect()
}

/// How many allocations one request makes.
pub fn allocations(request: &mut Request) -> i64 {
    let counted = allocation_counter::measure(|| (0..COUNTED).for_each(|_| request()));
    (counted.count_total as f64 / f64::from(COUNTED)).round() as i64
}

fn rounds_in_a_sample(request: &mut Request) -> u32 {
    let began = Instant::now();
    let mut rounds = 0;
    while began.elapsed() < SAMPLE {
        request();
        rounds += 1;
    }
    rounds
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
