//! What a record holds of a session, to the byte: who may open it, since when, what waits, and the entries.
//!
//! The layout is in FORMATS.md, "Record". Whatever is not exactly that is corrupt: an error, never an empty session
//! (S73).

use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::claims::{Claim, Claims};
use crate::csrf::CsrfSecret;
use crate::session::Limits;
use crate::ticket::TicketHash;
use crate::{Entries, Timestamp};

/// The layout that is written. Another one is not read: FORMATS.md, "How layouts change", says why none is met in a
/// deploy that keeps to it.
const FORMAT: u8 = 1;
const HAS_LIMITS: u8 = 1;
const IS_PERSISTENT: u8 = 1 << 1;
const HAS_FORMER: u8 = 1 << 2;
const HAS_CLAIMS: u8 = 1 << 3;
/// Left out of the record of a session that still has its first ticket: most have.
const WAS_RENEWED: u8 = 1 << 4;
/// Left out of the record of a session whose CSRF token was never renewed.
const HAS_CSRF: u8 = 1 << 5;
const HAS_FORMER_CSRF: u8 = 1 << 6;
/// A second byte of flags follows the first: few records have any of them.
const HAS_MORE: u8 = 1 << 7;
/// In the second byte, whose other bits no layout has yet.
const WAS_LEFT: u8 = 1;
/// At the end: CRC-32 of all before it, so that a record that a store cut or changed is not taken for a session.
const CHECKSUM_BYTES: usize = 4;
/// Where the hash of the ticket is, in every layout: so whoever has the ticket can end what this version cannot read.
const TICKET: std::ops::Range<usize> = 18..18 + TicketHash::BYTES;
/// A span that has no end.
const NO_LIMIT: u64 = u64::MAX;

/// A session as its record holds it.
#[derive(Debug, Clone)]
pub(super) struct Body {
    pub(super) created: Timestamp,
    /// When the ticket was made.
    pub(super) renewed: Timestamp,
    /// Another one with each ticket that a change of the visitor's rights made. Requests from before are over.
    pub(super) epoch: u32,
    /// Another one with each write, by which whoever had no answer recognises their own.
    pub(super) mark: u32,
    pub(super) ticket: TicketHash,
    pub(super) former: Option<Former>,
    /// The tickets before that one, so that their use is recognised.
    pub(super) retired: Retired,
    /// What CSRF tokens are made from, if that is no longer the hash of the ticket.
    pub(super) csrf: Option<CsrfSecret>,
    pub(super) former_csrf: Option<FormerCsrf>,
    /// The session's own limits.
    pub(super) limits: Option<Limits>,
    /// Whose the entries are, if the session was theirs and is nobody's.
    pub(super) left: Option<Arc<str>>,
    pub(super) claims: Claims,
    pub(super) entries: Entries,
}

/// The ticket before this one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Former {
    pub(super) ticket: TicketHash,
    /// Until when it opens the session too.
    pub(super) until: Timestamp,
}

/// The beginnings of the hashes of tickets that are long dead. They open nothing: a match by chance, once in 2^64, has a
/// forged ticket called a reused one.
#[derive(Debug, Clone, Default)]
pub(super) struct Retired(Vec<[u8; Self::BYTES]>);

impl Retired {
    const BYTES: usize = 8;
    /// The oldest are forgotten, but for those that may be late.
    const MOST: usize = 8;
    /// How many there may be where all may be late. Renewals without a pause are no visitor's, and a record stays small.
    const MOST_LATE: usize = u8::MAX as usize;

    /// Adds the ticket. Where the last renewal was so long ago that a request with one of the others `may_be_late` no more,
    /// most of them are forgotten.
    pub(super) fn push(&mut self, ticket: &TicketHash, may_be_late: bool) {
        let most = if may_be_late { Self::MOST_LATE } else { Self::MOST };
        self.0.drain(..(self.0.len() + 1).saturating_sub(most));
        self.0.push(Self::beginning(ticket));
    }

    pub(super) fn contains(&self, ticket: &TicketHash) -> bool {
        self.0.contains(&Self::beginning(ticket))
    }

    fn beginning(ticket: &TicketHash) -> [u8; Self::BYTES] {
        let mut beginning = [0; Self::BYTES];
        beginning.copy_from_slice(&ticket.as_bytes()[..Self::BYTES]);
        beginning
    }
}

/// What CSRF tokens were made from before a login.
#[derive(Debug, Clone, Copy)]
pub(super) struct FormerCsrf {
    pub(super) secret: CsrfSecret,
    /// Until when those tokens are accepted too.
    pub(super) until: Timestamp,
}

impl Body {
    /// The bytes of a record.
    pub(super) fn encode(&self) -> Bytes {
        let run = self.entries.run();
        let mut data = BytesMut::with_capacity(self.usual_length());
        data.put_u8(FORMAT);
        data.put_u8(self.flags());
        data.put_i64(self.created.as_micros());
        data.put_u32(self.epoch);
        data.put_u32(self.mark);
        data.put_slice(self.ticket.as_bytes());
        if self.left.is_some() {
            data.put_u8(WAS_LEFT);
        }
        if self.renewed != self.created {
            data.put_i64(self.renewed.as_micros());
        }
        if let Some(limits) = &self.limits {
            data.put_u64(micros(limits.idle));
            data.put_u64(micros(limits.absolute));
        }
        if let Some(former) = &self.former {
            data.put_slice(former.ticket.as_bytes());
            data.put_i64(former.until.as_micros());
            data.put_u8(self.retired.0.len() as u8);
            self.retired.0.iter().for_each(|beginning| data.put_slice(beginning));
        }
        if let Some(csrf) = &self.csrf {
            data.put_slice(csrf.as_bytes());
        }
        if let Some(former) = &self.former_csrf {
            data.put_slice(former.secret.as_bytes());
            data.put_i64(former.until.as_micros());
        }
        if let Some(left) = &self.left {
            put_text(&mut data, left.as_bytes());
        }
        if !self.claims.is_empty() {
            put_claims(&mut data, &self.claims);
        }
        data.put_slice(run);
        data.put_u32(crc32fast::hash(&data));
        data.freeze()
    }

    /// How many bytes most records have: where it is exact, the bytes need no second allocation.
    fn usual_length(&self) -> usize {
        let renewed = if self.renewed == self.created { 0 } else { 8 };
        let csrf = if self.csrf.is_some() { CsrfSecret::BYTES } else { 0 };
        let limits = if self.limits.is_some() { 16 } else { 0 };
        TICKET.end + renewed + limits + csrf + self.entries.run().len() + CHECKSUM_BYTES
    }

    /// Reads a record's bytes; `None` if they are anything else.
    pub(super) fn decode(mut data: Bytes) -> Option<Self> {
        let sum = data.split_off(data.len().checked_sub(CHECKSUM_BYTES)?);
        if sum != crc32fast::hash(&data).to_be_bytes()[..] || data.try_get_u8().ok()? != FORMAT {
            return None;
        }
        let flags = data.try_get_u8().ok()?;
        let has = |flag: u8| flags & flag != 0;
        let created = get_time(&mut data)?;
        let epoch = data.try_get_u32().ok()?;
        let mark = data.try_get_u32().ok()?;
        let ticket = get_hash(&mut data)?;
        if has(HAS_MORE) && data.try_get_u8().ok()? != WAS_LEFT {
            return None;
        }
        let renewed = if has(WAS_RENEWED) { get_time(&mut data)? } else { created };
        let limits =
            if has(HAS_LIMITS) { Some(get_limits(&mut data, has(IS_PERSISTENT))?) } else { None };
        let former = if has(HAS_FORMER) { Some(get_former(&mut data)?) } else { None };
        let (former, retired) = former.unzip();
        Some(Self {
            created,
            epoch,
            mark,
            ticket,
            renewed,
            limits,
            former,
            retired: retired.unwrap_or_default(),
            csrf: if has(HAS_CSRF) { Some(get_csrf(&mut data)?) } else { None },
            former_csrf: if has(HAS_FORMER_CSRF) {
                Some(FormerCsrf { secret: get_csrf(&mut data)?, until: get_time(&mut data)? })
            } else {
                None
            },
            left: if has(HAS_MORE) { Some(get_name(&mut data)?) } else { None },
            claims: if has(HAS_CLAIMS) { get_claims(&mut data)? } else { Claims::default() },
            entries: Entries::from_run(data)?,
        })
    }

    /// Whether this is the hash of the ticket in a record, of whatever layout.
    pub(super) fn has_ticket(data: &[u8], hash: &TicketHash) -> bool {
        let there =
            data.get(TICKET).and_then(|bytes| <[u8; TicketHash::BYTES]>::try_from(bytes).ok());
        there.is_some_and(|there| TicketHash::from_bytes(there).is(hash))
    }

    /// What CSRF tokens are made from.
    pub(super) fn csrf_secret(&self) -> CsrfSecret {
        self.csrf.unwrap_or_else(|| CsrfSecret::from_bytes(*self.ticket.as_bytes()))
    }

    fn flags(&self) -> u8 {
        let mut flags = 0;
        if let Some(limits) = &self.limits {
            flags |= HAS_LIMITS;
            flags |= if limits.persistent { IS_PERSISTENT } else { 0 };
        }
        flags |= if self.former.is_some() { HAS_FORMER } else { 0 };
        flags |= if self.csrf.is_some() { HAS_CSRF } else { 0 };
        flags |= if self.former_csrf.is_some() { HAS_FORMER_CSRF } else { 0 };
        flags |= if self.left.is_some() { HAS_MORE } else { 0 };
        flags |= if self.claims.is_empty() { 0 } else { HAS_CLAIMS };
        flags |= if self.renewed == self.created { 0 } else { WAS_RENEWED };
        flags
    }
}

fn micros(span: Option<Duration>) -> u64 {
    span.map_or(NO_LIMIT, |span| u64::try_from(span.as_micros()).unwrap_or(NO_LIMIT))
}

fn get_span(data: &mut Bytes) -> Option<Option<Duration>> {
    let micros = data.try_get_u64().ok()?;
    Some((micros != NO_LIMIT).then(|| Duration::from_micros(micros)))
}

fn get_limits(data: &mut Bytes, persistent: bool) -> Option<Limits> {
    Some(Limits { idle: get_span(data)?, absolute: get_span(data)?, persistent })
}

fn get_time(data: &mut Bytes) -> Option<Timestamp> {
    data.try_get_i64().ok().map(Timestamp::from_micros)
}

fn get_hash(data: &mut Bytes) -> Option<TicketHash> {
    let mut bytes = [0; TicketHash::BYTES];
    data.try_copy_to_slice(&mut bytes).ok()?;
    Some(TicketHash::from_bytes(bytes))
}

fn get_csrf(data: &mut Bytes) -> Option<CsrfSecret> {
    let mut bytes = [0; CsrfSecret::BYTES];
    data.try_copy_to_slice(&mut bytes).ok()?;
    Some(CsrfSecret::from_bytes(bytes))
}

fn get_former(data: &mut Bytes) -> Option<(Former, Retired)> {
    let former = Former { ticket: get_hash(data)?, until: get_time(data)? };
    let count = data.try_get_u8().ok()?;
    let retired = (0..count).map(|_| {
        let mut beginning = [0; Retired::BYTES];
        data.try_copy_to_slice(&mut beginning).ok().map(|()| beginning)
    });
    Some((former, Retired(retired.collect::<Option<Vec<_>>>()?)))
}

/// How many, and each as its name, its end, its queue's key and the messages; both texts after their lengths.
fn put_claims(data: &mut BytesMut, claims: &Claims) {
    data.put_u32(claims.list().len() as u32);
    for claim in claims.list() {
        data.put_u64(claim.id);
        data.put_i64(claim.until.as_micros());
        for text in [claim.queue.as_bytes(), claim.messages.as_ref()] {
            put_text(data, text);
        }
    }
}

fn put_text(data: &mut BytesMut, text: &[u8]) {
    data.put_u32(text.len() as u32);
    data.put_slice(text);
}

fn get_name(data: &mut Bytes) -> Option<Arc<str>> {
    std::str::from_utf8(&get_text(data)?).ok().map(Arc::from)
}

fn get_claims(data: &mut Bytes) -> Option<Claims> {
    let count = data.try_get_u32().ok()?;
    let claims = (0..count).map(|_| get_claim(data)).collect::<Option<Vec<_>>>()?;
    Some(Claims::from_list(claims))
}

fn get_claim(data: &mut Bytes) -> Option<Claim> {
    Some(Claim {
        id: data.try_get_u64().ok()?,
        until: get_time(data)?,
        queue: std::str::from_utf8(&get_text(data)?).ok()?.to_owned(),
        messages: get_text(data)?,
    })
}

fn get_text(data: &mut Bytes) -> Option<Bytes> {
    let length = data.try_get_u32().ok()? as usize;
    (length <= data.len()).then(|| data.split_to(length))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Value;
    use crate::session::Change;

    fn body() -> Body {
        let mut entries = Entries::new();
        entries.set("a", &Value::encode("a", &1).unwrap());
        entries.set("_f_", &Value::encode("_f_", &["saved"]).unwrap());
        Body {
            created: Timestamp::from_micros(1_700_000_000_000_001),
            renewed: Timestamp::from_micros(-5),
            epoch: 7,
            mark: 8,
            ticket: TicketHash::from_bytes([1; 32]),
            former: Some(Former {
                ticket: TicketHash::from_bytes([2; 32]),
                until: Timestamp::from_secs(9),
            }),
            retired: Retired(vec![[5; 8], [6; 8]]),
            csrf: Some(CsrfSecret::from_bytes([3; 32])),
            former_csrf: Some(FormerCsrf {
                secret: CsrfSecret::from_bytes([4; 32]),
                until: Timestamp::from_secs(5),
            }),
            limits: Some(Limits {
                idle: Some(Duration::from_secs(60)),
                absolute: None,
                persistent: true,
            }),
            left: Some("ada".into()),
            claims: Claims::default(),
            entries,
        }
    }

    fn with_claim() -> Body {
        let mut body = body();
        let taken = body.claims.take(&mut body.entries, "_f_", 3, Timestamp::from_secs(30));
        assert_eq!(taken.len(), 1);
        body
    }

    #[test]
    fn a_record_says_the_same_when_it_is_read_again() {
        let bare = Body {
            limits: None,
            former: None,
            csrf: None,
            former_csrf: None,
            left: None,
            ..body()
        };
        for body in [body(), with_claim(), bare] {
            let again = Body::decode(body.encode()).expect("what was written can be read");
            assert_eq!(again.encode(), body.encode());
            assert_eq!(again.entries, body.entries);
            assert_eq!(again.limits, body.limits);
            assert_eq!(again.left, body.left);
            assert_eq!(again.epoch, 7);
            assert_eq!(again.retired.0.len(), if body.former.is_some() { 2 } else { 0 });
        }
    }

    #[test]
    fn the_layout_is_the_documented_one() {
        let plain = Body {
            limits: None,
            former: None,
            csrf: None,
            former_csrf: None,
            left: None,
            entries: Entries::new(),
            ..body()
        };
        let mut expected = vec![1, 0x10];
        expected.extend(1_700_000_000_000_001_i64.to_be_bytes());
        expected.extend([0, 0, 0, 7, 0, 0, 0, 8]);
        expected.extend([1; 32]);
        expected.extend((-5_i64).to_be_bytes());
        let sum = crc32fast::hash(&expected);
        expected.extend(sum.to_be_bytes());
        assert_eq!(plain.encode(), expected);
        let left = Body { left: Some("ada".into()), ..plain };
        expected.truncate(expected.len() - CHECKSUM_BYTES);
        expected[1] = 0x90;
        expected.insert(TICKET.end, 1);
        expected.extend(b"\0\0\0\x03ada");
        let sum = crc32fast::hash(&expected);
        expected.extend(sum.to_be_bytes());
        assert_eq!(left.encode(), expected);
    }

    #[test]
    fn s73_whatever_is_cut_or_changed_is_corrupt() {
        let whole = with_claim().encode();
        for end in 0..whole.len() {
            assert!(Body::decode(whole.slice(..end)).is_none(), "cut at {end}");
            for bit in 0..8 {
                let mut changed = whole.to_vec();
                changed[end] ^= 1 << bit;
                assert!(Body::decode(changed.into()).is_none(), "bit {bit} of byte {end}");
            }
        }
    }

    #[test]
    fn s73_another_layout_is_not_guessed_at() {
        for (at, byte) in [(0, 0), (0, 2), (50, 0), (50, 2), (50, 3), (50, 0x81)] {
            let mut bytes = body().encode().to_vec();
            bytes.truncate(bytes.len() - CHECKSUM_BYTES);
            bytes[at] = byte;
            bytes.extend(crc32fast::hash(&bytes).to_be_bytes());
            assert!(Body::decode(bytes.into()).is_none(), "{byte} at {at}");
        }
    }

    #[test]
    fn s79_the_ticket_is_recognised_at_its_place_only() {
        let hash = body().ticket;
        for data in [body().encode(), with_claim().encode()] {
            assert!(Body::has_ticket(&data, &hash));
            assert!(!Body::has_ticket(&data, &TicketHash::from_bytes([2; 32])), "the one before");
            assert!(!Body::has_ticket(&data[2..], &hash) && !Body::has_ticket(&data[..49], &hash));
        }
        assert!(!Body::has_ticket(b"", &hash));
    }

    #[test]
    fn s73_a_length_beyond_the_end_is_corrupt() {
        let mut bytes = with_claim().encode().to_vec();
        bytes.truncate(bytes.len() - CHECKSUM_BYTES);
        let at = bytes.windows(7).position(|window| window == b"\0\0\0\x03_f_").unwrap();
        bytes[at] = 1;
        bytes.extend(crc32fast::hash(&bytes).to_be_bytes());
        assert!(Body::decode(bytes.into()).is_none());
    }

    #[test]
    fn a_clear_leaves_claims_alone() {
        let mut body = with_claim();
        Change::Clear.apply(&mut body.entries).unwrap();
        assert!(!body.claims.is_empty());
    }
}
