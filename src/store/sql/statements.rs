//! The statements, with the table's name in them. All values are parameters (S78).

use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use sha2::{Digest, Sha256};

use super::Dialect;
use crate::store::{Result, StoreError, StoreErrorKind};

pub(super) const TABLE: &str = "cloakroom_sessions";

/// One text for each call. Public only because a [`Dialect`] is told of it.
#[derive(Debug)]
pub struct Statements {
    /// The table, perhaps with its schema before a dot.
    pub(super) table: String,
    pub(super) schema: String,
    /// The same for one of several processes that do so at once.
    pub(super) make: String,
    pub(super) select: Arc<str>,
    pub(super) insert: Arc<str>,
    pub(super) update: Arc<str>,
    pub(super) touch: Arc<str>,
    /// Counts the rows of a key, if the table is of the layout that the others need.
    pub(super) layout: Arc<str>,
    pub(super) exists: Arc<str>,
    pub(super) delete: Arc<str>,
    pub(super) list: Arc<str>,
    pub(super) scan: Arc<str>,
    pub(super) count: Arc<str>,
    pub(super) delete_of: Arc<str>,
    pub(super) delete_all_but: Arc<str>,
    pub(super) sweep: Arc<str>,
    /// Up to the first of the keys.
    #[cfg(feature = "mysql")]
    pub(super) delete_all: String,
    /// What sweepers of this table agree on to be one at a time.
    pub(super) sweeper: String,
    /// Up to when this sweep has looked at what was due; the least there is when none is under way.
    ///
    /// The rows are still there for a transaction that began before, a backup for one, and the next batch would walk over
    /// all of them.
    pub(super) swept: AtomicI64,
}

impl Statements {
    pub(super) fn new<D: Dialect>(table: &str) -> Result<Self> {
        let name = name_of::<D>(table)?;
        let index = index_of::<D>(name);
        let schema = table.strip_suffix(name).unwrap_or_default();
        let key = D::KEY;
        let sql = |text: &str| -> Arc<str> {
            let text = text.replace("{table}", table).replace("{name}", &index);
            let text = text.replace("{schema}", schema);
            D::numbered(&text.replace("{key}", key)).into()
        };
        let row = format!("version, expires_at, {}, data", D::OWNER);
        let make = sql(&format!("{}{}", D::BEFORE_SCHEMA, D::SCHEMA)).as_ref().to_owned();
        Ok(Self {
            table: table.to_owned(),
            make,
            schema: sql(D::SCHEMA).as_ref().to_owned(),
            select: sql(&format!("SELECT {row} FROM {{table}} WHERE {{key}} = ?")),
            insert: sql(D::INSERT),
            update: sql(D::UPDATE),
            touch: sql(D::TOUCH),
            layout: sql(D::LAYOUT),
            exists: sql("SELECT count(*) FROM {table} WHERE {key} = ?"),
            delete: sql("DELETE FROM {table} WHERE {key} = ?"),
            list: sql(&format!("SELECT {row}, {{key}} FROM {{table}} WHERE owner = ?")),
            scan: sql(&format!(
                "SELECT {row}, {{key}} FROM {{table}} WHERE {{key}} > ? ORDER BY {{key}} LIMIT ?"
            )),
            count: sql("SELECT count(*) FROM {table} WHERE owner = ?"),
            delete_of: sql("DELETE FROM {table} WHERE {key} = ? AND owner = ?"),
            delete_all_but: sql(D::DELETE_ALL_BUT),
            sweep: sql(D::SWEEP),
            #[cfg(feature = "mysql")]
            delete_all: sql("DELETE FROM {table} WHERE {key} IN (").as_ref().to_owned(),
            sweeper: format!("cloakroom sweeps {table}"),
            swept: AtomicI64::new(i64::MIN),
        })
    }
}

/// The table's own name, without its schema.
fn name_of<D: Dialect>(table: &str) -> Result<&str> {
    let is_word = |word: &str| {
        let mut bytes = word.bytes();
        bytes.next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
            && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    let mut words = table.split('.');
    let reason = match words.clone().map(str::len).max() {
        Some(longest) if longest > D::LONGEST_NAME => {
            format!("{} letters at most", D::LONGEST_NAME)
        }
        _ if words.clone().all(is_word) && words.clone().count() <= 2 => {
            return Ok(words.next_back().unwrap_or(table));
        }
        _ => "letters, digits and _ only".to_owned(),
    };
    let cause = format!("{table:?} is no table's name: {reason}");
    Err(StoreError::new(StoreErrorKind::Rejected, cause))
}

/// What the names of its indexes begin with: a part of a name that leaves no room, and what tells it from others. A
/// database would cut the ends off, and both indexes would have one name.
fn index_of<D: Dialect>(name: &str) -> String {
    let room = D::LONGEST_NAME - "_by_expiry".len();
    if name.len() <= room {
        return name.to_owned();
    }
    let hash = Sha256::digest(name);
    let hash = hash.iter().take(4).map(|byte| format!("{byte:02x}")).collect::<String>();
    let part = name.get(..room - hash.len() - 1).unwrap_or_default();
    format!("{part}_{hash}")
}
