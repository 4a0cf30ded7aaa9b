//! Flash messages between taking and showing: claimed by one request, in its record, for a short lease.
//!
//! A claim ends in one of three ways: the response was shown, and the messages are gone; it was not, and they go
//! back to the front of their queue; or the process died, the lease ends, and whoever reads the record next finds
//! them back in their queue (S67).

use bytes::Bytes;

use crate::session::{ClaimId, queue};
use crate::{Entries, Timestamp, Value};

/// What one request has taken out of one queue.
#[derive(Debug, Clone)]
pub(super) struct Claim {
    pub(super) id: ClaimId,
    /// The end of the lease.
    pub(super) until: Timestamp,
    /// The session key of the queue.
    pub(super) queue: String,
    /// A JSON array.
    pub(super) messages: Bytes,
}

/// All claims on a session's messages.
#[derive(Debug, Clone, Default)]
pub(super) struct Claims {
    list: Vec<Claim>,
}

impl Claims {
    pub(super) const fn from_list(list: Vec<Claim>) -> Self {
        Self { list }
    }

    pub(super) fn list(&self) -> &[Claim] {
        &self.list
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Takes all messages out of the queue for the request that claims them as `id`.
    pub(super) fn take(
        &mut self,
        entries: &mut Entries,
        queue: &str,
        id: ClaimId,
        until: Timestamp,
    ) -> Vec<Value> {
        let taken = queue::messages(entries, queue);
        if let (false, Some(array)) = (taken.is_empty(), entries.remove(queue)) {
            let messages = Bytes::copy_from_slice(array.as_bytes());
            self.list.push(Claim { id, until, queue: queue.to_owned(), messages });
        }
        taken
    }

    /// The messages of these claims wait for their response until then; says whether there was any.
    pub(super) fn extend(&mut self, ids: &[ClaimId], until: Timestamp) -> bool {
        let mut own: Vec<_> =
            self.list.iter_mut().filter(|claim| ids.contains(&claim.id)).collect();
        own.iter_mut().for_each(|claim| claim.until = until);
        !own.is_empty()
    }

    /// The queues that these claims are of.
    pub(super) fn queues(&self, ids: &[ClaimId]) -> impl Iterator<Item = &str> {
        let own = self.list.iter().filter(|claim| ids.contains(&claim.id));
        own.map(|claim| &*claim.queue)
    }

    /// The messages of this claim were shown.
    pub(super) fn settle(&mut self, id: ClaimId) {
        self.list.retain(|claim| claim.id != id);
    }

    /// The messages of this claim were not shown: they wait again, before those that came later.
    pub(super) fn give_back(&mut self, entries: &mut Entries, id: ClaimId) {
        self.give_back_if(entries, |claim| claim.id == id);
    }

    /// What there would be if all of them were given back.
    pub(super) fn with_all(&self, entries: &Entries) -> Entries {
        let mut entries = entries.clone();
        if !self.is_empty() {
            self.clone().give_back_if(&mut entries, |_| true);
        }
        entries
    }

    /// So do those whose lease has ended.
    pub(super) fn give_back_expired(&mut self, entries: &mut Entries, now: Timestamp) {
        self.give_back_if(entries, |claim| claim.until <= now);
    }

    fn give_back_if(&mut self, entries: &mut Entries, returns: impl Fn(&Claim) -> bool) {
        // The claim made last goes in front first, so that the one made first ends up before it.
        let mut at = self.list.len();
        while at > 0 {
            at -= 1;
            if returns(&self.list[at]) {
                let claim = self.list.remove(at);
                queue::put_in_front(entries, &claim.queue, &Value::shared(claim.messages));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEASE: Timestamp = Timestamp::from_secs(30);

    fn waiting(json: &str) -> Entries {
        Entries::from_iter([("_f_", Value::from_json(json).unwrap())])
    }

    fn queue(entries: &Entries) -> Option<String> {
        entries.get("_f_").map(|array| array.as_json().to_owned())
    }

    #[test]
    fn s67_messages_come_back_in_front_and_in_order() {
        let (mut claims, mut entries) = (Claims::default(), waiting("[1,2]"));
        claims.take(&mut entries, "_f_", 1, LEASE);
        entries.set("_f_", &Value::from_json("[3]").unwrap());
        claims.take(&mut entries, "_f_", 2, LEASE);
        entries.set("_f_", &Value::from_json("[4]").unwrap());
        claims.give_back_expired(&mut entries, Timestamp::from_secs(29));
        assert_eq!(queue(&entries).unwrap(), "[4]");
        claims.give_back_expired(&mut entries, LEASE);
        assert_eq!(queue(&entries).unwrap(), "[1,2,3,4]");
        assert!(claims.is_empty());
    }

    #[test]
    fn s67_only_the_own_claim_is_settled_or_given_back() {
        let (mut claims, mut entries) = (Claims::default(), waiting("[1]"));
        claims.take(&mut entries, "_f_", 1, LEASE);
        claims.settle(2);
        claims.give_back(&mut entries, 2);
        assert_eq!((queue(&entries), claims.list().len()), (None, 1));
        claims.give_back(&mut entries, 1);
        claims.settle(1);
        assert_eq!(queue(&entries).unwrap(), "[1]");
    }

    #[test]
    fn an_empty_queue_gives_nothing_to_claim() {
        let (mut claims, mut entries) = (Claims::default(), Entries::new());
        assert_eq!(claims.take(&mut entries, "_f_", 1, LEASE), []);
        assert!(claims.is_empty());
    }
}
