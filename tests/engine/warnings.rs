//! What the library warns of while a test is under way.

use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use tracing::field::Field;
use tracing::{Event, Level, Metadata, Subscriber, span};

/// The fields of all of them.
#[derive(Clone, Default)]
pub struct Warnings(Arc<Mutex<Vec<String>>>);

impl Warnings {
    /// Those since this was asked last.
    pub fn seen(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }

    /// The same, of those with a word in them: drivers warn of a slow machine, too.
    #[allow(dead_code)] // for those that have a driver
    pub fn seen_of(&self, word: &str) -> Vec<String> {
        self.seen().into_iter().filter(|text| text.contains(word)).collect()
    }
}

/// Who has the server's clock is told nothing when a store is opened, and who has one of January 1970 is.
#[allow(dead_code)] // for stores that can be given a clock
pub async fn assert_an_early_clock_is_said<S, E: Debug>(
    same: impl Future<Output = S>,
    early: impl Future<Output = Result<S, E>>,
) {
    let warnings = Warnings::default();
    let _guard = tracing::subscriber::set_default(warnings.clone());
    drop(same.await);
    assert_eq!(warnings.seen_of("clocks"), [""; 0]);
    drop(early.await.unwrap());
    let seen = warnings.seen_of("clocks");
    assert_eq!(seen.len(), 1, "{seen:?}");
    assert!(seen[0].contains("here=1970-01-12T13:46:40Z"), "{seen:?}");
}

impl Subscriber for Warnings {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() == Level::WARN
    }

    fn event(&self, event: &Event<'_>) {
        let mut text = String::new();
        event.record(&mut |field: &Field, value: &dyn Debug| {
            text += &format!("{field}={value:?} ");
        });
        self.0.lock().unwrap().push(text);
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}
