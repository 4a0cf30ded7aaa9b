//! What a request did with its session: the last page of a visit, for the factory to read.

use std::fmt;
use std::sync::Arc;

use super::Session;
use super::change::Changes;
use super::entries::Entries;
use super::limits::Limits;
#[cfg(doc)]
use super::opened::Opened;
use super::opened::Origin;
use super::remote::ClaimId;
use crate::cookie::SetCookies;
use crate::csrf::CsrfSecret;
use crate::{Error, Timestamp};

/// What a request did with its session, apart from the changes themselves.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Usage {
    /// Anything at all was asked, so that the answer may depend on the cookie.
    pub(crate) seen: bool,
    /// The data was looked at: idle time starts anew.
    pub(crate) looked: bool,
    /// When it was looked at or written last, where the factory wants to know.
    pub(super) accessed: Option<Timestamp>,
    /// A method that writes was called, whether or not it made a difference.
    pub(super) wrote: bool,
    /// `changed()` was called.
    pub(super) marked: bool,
    /// `invalidate()` was called.
    pub(crate) invalidated: bool,
    /// The session was given another owner than the one it had, and left everything of that one's behind.
    pub(crate) switched: bool,
    /// A handle was taken, which waits for the request's end.
    pub(super) handled: bool,
    /// A CSRF token was asked for, so that it may stand in the response.
    pub(crate) has_token: bool,
}

impl Usage {
    pub(super) const fn has_written(&self) -> bool {
        self.wrote || self.marked || self.invalidated
    }

    /// Whether the session begins anew in this request.
    pub(crate) const fn begins_anew(&self) -> bool {
        self.invalidated || self.switched
    }
}

/// What is wanted for the session as a whole, whatever it holds.
#[derive(Clone, Default)]
pub(crate) struct Wishes {
    /// A new ticket; the old one is dead at once.
    pub(crate) renew: bool,
    /// Another owner, or none.
    pub(crate) owner: Option<Option<Arc<str>>>,
    /// Where it is to be none: whose the data is.
    pub(crate) left: Option<Arc<str>>,
    /// Limits of its own, or the factory's again.
    pub(crate) limits: Option<Option<Limits>>,
    /// Another secret to make CSRF tokens from.
    pub(crate) csrf: Option<NewCsrfSecret>,
}

impl Wishes {
    pub(crate) const fn has_any(&self) -> bool {
        let Self { renew, owner, left: _, limits, csrf } = self;
        *renew || owner.is_some() || limits.is_some() || csrf.is_some()
    }
}

/// A secret to make CSRF tokens from, in place of the one before.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NewCsrfSecret {
    pub(crate) secret: CsrfSecret,
    /// Whether a new token was asked for, so that no setting keeps the old one alive.
    pub(crate) old_dies: bool,
}

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// With a response that its visitor gets to see.
    Shown,
    /// With a response that nobody looks at: to `HEAD` or to a prefetch, 1xx, 3xx, 204, 205, or 201 with `Location`.
    Unseen,
    /// With a response of 5xx.
    Failed,
    /// With no response: the handler panicked, or its service failed.
    Broken,
    /// Not at all: the client went away while the handler worked.
    Cancelled,
}

impl Ending {
    /// Whether there is a response, which a cookie can go with.
    #[must_use]
    pub const fn has_response(self) -> bool {
        match self {
            Self::Shown | Self::Unseen | Self::Failed => true,
            Self::Broken | Self::Cancelled => false,
        }
    }
}

/// Flash messages that were claimed during the request.
#[derive(Debug, Default)]
pub(crate) struct Claims {
    /// Those that were shown.
    pub(crate) shown: Vec<ClaimId>,
    /// Those that have to wait for another request.
    pub(crate) returned: Vec<ClaimId>,
}

impl Claims {
    pub(crate) const fn is_empty(&self) -> bool {
        self.shown.is_empty() && self.returned.is_empty()
    }
}

/// What a request did with its session, handed to the factory when the handler has answered.
pub struct Commit {
    pub(super) session: Session,
    // Boxed, because a commit is handed on from future to future: in each it takes two words.
    pub(super) work: Box<Work>,
}

/// What was there, what was done, and how it ended.
pub(super) struct Work {
    pub(super) opened: Entries,
    pub(super) entries: Entries,
    pub(super) changes: Changes,
    pub(super) usage: Usage,
    pub(super) wishes: Wishes,
    pub(super) claims: Claims,
    pub(super) ending: Ending,
}

impl Commit {
    /// Whether the request came with a session.
    #[must_use]
    pub fn origin(&self) -> Origin {
        self.session.facts().origin
    }

    /// The time at which the session was opened.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.session.facts().now
    }

    /// When the session began.
    #[must_use]
    pub fn created(&self) -> Timestamp {
        self.session.facts().created
    }

    /// What the session held when the handler had answered, as the handler saw it.
    #[must_use]
    pub const fn entries(&self) -> &Entries {
        &self.work.entries
    }

    /// What was done to it, to be replayed on what is stored by now.
    #[must_use]
    pub const fn changes(&mut self) -> &mut Changes {
        &mut self.work.changes
    }

    /// Whether the data was looked at, so that idle time starts anew.
    #[must_use]
    pub const fn was_looked_at(&self) -> bool {
        self.work.usage.looked
    }

    /// When the data was looked at or written last, if it was, and if [asked for](Opened::accesses).
    pub(crate) const fn accessed(&self) -> Option<Timestamp> {
        self.work.usage.accessed
    }

    /// Whether a method that writes was called, even if it made no difference.
    #[must_use]
    pub const fn was_written(&self) -> bool {
        self.work.usage.has_written()
    }

    /// Whether the session was explicitly [marked as changed](crate::Session::changed).
    #[must_use]
    pub const fn is_marked_changed(&self) -> bool {
        self.work.usage.marked
    }

    /// Whether the session was [invalidated](crate::Session::invalidate), whatever was written afterwards.
    #[must_use]
    pub const fn is_invalidated(&self) -> bool {
        self.work.usage.invalidated
    }

    /// How the request ended.
    #[must_use]
    pub const fn ending(&self) -> Ending {
        self.work.ending
    }

    /// Whether the handler failed: it answered 5xx, or panicked.
    #[must_use]
    pub const fn has_failed(&self) -> bool {
        matches!(self.work.ending, Ending::Failed | Ending::Broken)
    }

    /// Whether there is a response that a cookie can go with.
    #[must_use]
    pub const fn has_response(&self) -> bool {
        self.work.ending.has_response()
    }

    /// Tells the application that another request had ended the session, so that these changes were dropped: see
    /// [`Session::is_gone`].
    pub fn report_gone(&self) {
        self.session.lock().gone = true;
    }

    /// Sends these cookies with the response even if the commit then fails: for a ticket that has taken effect already,
    /// and whose holder would be locked out without it.
    pub fn send_regardless(&self, cookies: SetCookies) {
        self.session.lock().regardless = Some(Box::new(cookies));
    }

    /// After an earlier attempt to keep the first `count` changes had taken effect and left `opened`: goes on from there.
    pub(crate) fn continue_from(&mut self, opened: &Entries, count: usize) -> Result<(), Error> {
        let work = &mut *self.work;
        work.changes.forget_first(count);
        work.opened = opened.clone();
        work.entries = work.changes.replay(opened)?;
        work.claims = Claims::default();
        Ok(())
    }

    pub(crate) const fn entries_mut(&mut self) -> &mut Entries {
        &mut self.work.entries
    }

    /// What the session held when it was opened.
    pub(crate) const fn opened(&self) -> &Entries {
        &self.work.opened
    }

    pub(crate) const fn wishes(&self) -> &Wishes {
        &self.work.wishes
    }

    pub(crate) const fn claims(&self) -> &Claims {
        &self.work.claims
    }

    /// Why nothing can be read of the session that is there, where nothing can.
    pub(crate) fn unreadable_error(&self) -> Option<Error> {
        self.session.facts().unreadable_error()
    }

    pub(crate) fn session(&self) -> &Session {
        &self.session
    }

    /// Whether there is something that is worth a session: one that holds nothing is not kept (S15).
    pub(crate) fn holds_something(&self) -> bool {
        let Work { wishes, entries, .. } = &*self.work;
        let is_wished = matches!(wishes.owner, Some(Some(_)))
            || matches!(wishes.limits, Some(Some(_)))
            || wishes.csrf.is_some();
        is_wished || !entries.is_empty()
    }

    /// Whether the session was given to another owner, and begins anew for it.
    pub(crate) const fn is_switched(&self) -> bool {
        self.work.usage.switched
    }

    /// Leaves out of the work what cannot take effect, or must not, because of how the request ended.
    ///
    /// | ended | changes | flash messages taken | a new ticket, a gained owner | limits, CSRF secret | logout, lost owner |
    /// |---|---|---|---|---|---|
    /// | shown | kept | gone | take effect | take effect | take effect |
    /// | unseen | kept | wait again | take effect | take effect | take effect |
    /// | failed | kept, by setting | wait again | take effect | take effect | take effect |
    /// | broken | kept, by setting (¹) | wait again | do not | take effect (¹) | take effect |
    /// | cancelled | dropped (²) | wait again | do not | take effect (¹) | take effect |
    ///
    /// ¹ unless the request wished for a new ticket or gained an owner: then whatever else it wished goes with that, be it
    /// from before that call or after it. What is for the one who signs in cannot be told from the rest.
    ///
    /// ² because half of them is neither the handler's work nor nothing.
    pub(super) fn settle_ending(&mut self) {
        match self.work.ending {
            Ending::Shown => {}
            Ending::Unseen | Ending::Failed => self.keep_flash(),
            Ending::Broken => {
                self.keep_flash();
                self.withhold_rights();
            }
            Ending::Cancelled => {
                self.drop_changes();
                self.withhold_rights();
            }
        }
    }

    /// Flash messages that were taken are to wait for another request: nobody saw the response.
    ///
    /// Closures are not run for it: no closure works on a queue's key ([`Error::Queue`]).
    fn keep_flash(&mut self) {
        let Work { opened, entries, changes, .. } = &mut *self.work;
        for key in changes.keep_flash() {
            changes.put_replayed(&key, opened, entries);
        }
    }

    /// Without a response no new ticket reaches the browser. So the old one stays good, and nothing is kept that the
    /// new one was for: neither half is of use without the other.
    fn withhold_rights(&mut self) {
        let Work { wishes, usage, .. } = &mut *self.work;
        let loses_owner = matches!(wishes.owner, Some(None));
        let first = self.session.first_owner().filter(|_| loses_owner);
        // Then somebody was the owner in passing, who was not gained.
        let is_others = usage.switched || loses_owner && wishes.left != first;
        if is_others || wishes.renew && !loses_owner {
            usage.switched = false;
            let owner = loses_owner.then_some(None);
            *wishes = Wishes { owner, left: first, ..Wishes::default() };
            self.drop_changes();
        } else {
            wishes.renew = false;
            // One that came with the ticket alone.
            wishes.csrf = wishes.csrf.filter(|made| made.old_dies);
        }
    }

    /// Flash messages that were claimed are to wait for another request.
    pub(crate) fn return_claims(&mut self) {
        let Claims { shown, returned } = &mut self.work.claims;
        returned.append(shown);
    }

    /// Forgets what was changed in the data. What was wished for the session as a whole stays.
    pub(crate) fn drop_changes(&mut self) {
        let Work { usage, changes, opened, entries, .. } = &mut *self.work;
        *changes = Changes::default();
        usage.wrote = false;
        usage.marked = false;
        *entries = if usage.begins_anew() { Entries::new() } else { opened.clone() };
    }

    pub(crate) const fn was_seen(&self) -> bool {
        self.work.usage.seen
    }

    /// Whether a CSRF token may stand in the response.
    pub(crate) const fn has_token(&self) -> bool {
        self.work.usage.has_token
    }

    /// Whether something has to be kept, or a handle waits to be told that nothing is, even if nobody waits for the
    /// response any more.
    pub(crate) fn must_be_kept(&self) -> bool {
        let Work { usage, wishes, changes, claims, .. } = &*self.work;
        let is_changed = usage.begins_anew() || !changes.is_empty() || !claims.is_empty();
        is_changed || usage.marked || usage.handled || wishes.has_any()
    }
}

impl fmt::Debug for Commit {
    /// How much, and no values (S87).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Commit")
            .field("entries", &self.work.entries)
            .field("changes", &self.work.changes)
            .field("usage", &self.work.usage)
            .field("ending", &self.work.ending)
            .finish_non_exhaustive()
    }
}
