//! A record as one value, for engines that keep nothing else, to the byte. The layout is in FORMATS.md, "Redis".

use std::sync::Arc;

use bytes::{Buf, Bytes};

use crate::store::{Record, Stored, Version};
use crate::time::Timestamp;

/// In the place of the owner's length, where there is no owner.
const NOBODY: u32 = u32::MAX;

/// The value under a record's key.
pub(super) fn encode(version: Version, record: &Record) -> Vec<u8> {
    let owner = record.owner.as_deref();
    let length = owner.map_or(0, str::len);
    let mut value = Vec::with_capacity(20 + length + record.data.len());
    value.extend_from_slice(&version_bytes(version));
    value.extend_from_slice(&expiry_bytes(record.expires_at));
    // An owner of 4 GiB does not get here: no such engine takes a value of more than 1 GiB.
    let length = owner.map_or(NOBODY, |owner| u32::try_from(owner.len()).unwrap_or(NOBODY));
    value.extend_from_slice(&length.to_be_bytes());
    value.extend_from_slice(owner.unwrap_or_default().as_bytes());
    value.extend_from_slice(&record.data);
    value
}

/// Reads what [`encode`] wrote; `None` if it is anything else.
pub(super) fn decode(value: Vec<u8>) -> Option<Stored> {
    let mut value = Bytes::from(value);
    let version = Version::from_number(value.try_get_u64().ok()?);
    let expires_at = Timestamp::from_micros(value.try_get_i64().ok()?);
    let owner: Option<Arc<str>> = match value.try_get_u32().ok()? {
        NOBODY => None,
        length if length as usize <= value.len() => {
            let owner = value.split_to(length as usize);
            Some(std::str::from_utf8(&owner).ok()?.into())
        }
        _ => return None,
    };
    Some(Stored { record: Record::new(value, expires_at, owner), version })
}

pub(super) const fn version_bytes(version: Version) -> [u8; 8] {
    version.number().to_be_bytes()
}

pub(super) const fn expiry_bytes(expires_at: Timestamp) -> [u8; 8] {
    expires_at.as_micros().to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_has_the_documented_bytes_and_says_the_same_when_read_again() {
        let expires_at = Timestamp::from_micros(-2);
        let owned = Record::new(&b"data"[..], expires_at, Some("ada".into()));
        let value = encode(Version::from_number(258), &owned);
        let mut expected = vec![0, 0, 0, 0, 0, 0, 1, 2];
        expected.extend([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe, 0, 0, 0, 3]);
        expected.extend(b"adadata");
        assert_eq!(value, expected);
        for record in [owned, Record::new(&b""[..], expires_at, None)] {
            let version = Version::from_number(7);
            let again = decode(encode(version, &record));
            assert_eq!(again, Some(Stored { record, version }));
        }
    }

    #[test]
    fn s73_a_row_that_was_cut_is_none() {
        let record = Record::new(&b""[..], Timestamp::from_secs(1), Some("ada".into()));
        let whole = encode(Version::FIRST, &record);
        for end in 0..whole.len() {
            assert_eq!(decode(whole[..end].to_vec()), None, "cut at {end}");
        }
    }
}
