//! What names a value: text, or a typed [`Key`] that also says what the value is.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::value::Value;
use crate::Error;

/// The name of a session value together with its type, so that neither can be misspelt.
///
/// Keep the keys of an application in one module: they are the schema of its sessions.
///
/// ```
/// use cloakroom::{Key, Session};
///
/// const NAME: Key<String> = Key::new("name");
///
/// let session = Session::detached();
/// session.insert(NAME, "Ada")?; // a `Key<String>` takes `&str`, `String` and `&String`
/// assert_eq!(session.get(NAME)?.as_deref(), Some("Ada"));
/// # Ok::<(), cloakroom::Error>(())
/// ```
///
/// A value of another type does not compile:
/// ```compile_fail,E0277
/// # use cloakroom::{Key, Session};
/// const COUNT: Key<u32> = Key::new("count");
/// Session::detached().insert(COUNT, "three");
/// ```
pub struct Key<T> {
    name: &'static str,
    is_strict: bool,
    holds: PhantomData<fn() -> T>,
}

impl<T> Key<T> {
    /// A key of this name.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Self { name, is_strict: false, holds: PhantomData }
    }

    /// The same key, refusing to overwrite what its writer has not seen.
    ///
    /// A request that read this key and then sets or removes it, while another request changed it in between, fails with
    /// [`Error::Overwrites`](crate::Error::Overwrites) (409) instead of winning; so does one that gave out a default of
    /// its own while another request's was kept. For sessions on a server; see
    /// [`Overwrite`](crate::factory::Overwrite) for all keys at once.
    #[must_use]
    pub const fn strict(mut self) -> Self {
        self.is_strict = true;
        self
    }

    /// The name, as other programs that share the session see it.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }
}

impl<T> Clone for Key<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Key<T> {}

impl<T> AsRef<str> for Key<T> {
    fn as_ref(&self) -> &str {
        self.name
    }
}

impl<T> fmt::Debug for Key<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key<{}>({:?})", std::any::type_name::<T>(), self.name)
    }
}

/// What names a value, whatever its type: text of any kind, a [`Key`], and references to them.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not name a session value",
    label = "text does, and a `Key` does"
)]
pub trait AsKey: AsRef<str> {
    /// Whether a write that overwrites another request's unseen is [refused](Key::strict).
    fn is_strict(&self) -> bool {
        false
    }
}

impl AsKey for str {}
impl AsKey for String {}
impl AsKey for Cow<'_, str> {}
impl AsKey for Box<str> {}
impl AsKey for Arc<str> {}

impl<T> AsKey for Key<T> {
    fn is_strict(&self) -> bool {
        self.is_strict
    }
}

impl<K: AsKey + ?Sized> AsKey for &K {
    fn is_strict(&self) -> bool {
        (**self).is_strict()
    }
}

/// What can name a value that is read as a `T`: any text, or a [`Key<T>`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not name a session value of type `{T}`",
    label = "a `Key<X>` names an `X`, text names anything"
)]
pub trait Names<T>: AsKey {}

impl<T> Names<T> for str {}
impl<T> Names<T> for String {}
impl<T> Names<T> for Cow<'_, str> {}
impl<T> Names<T> for Box<str> {}
impl<T> Names<T> for Arc<str> {}
impl<T> Names<T> for Key<T> {}
impl<T, K: Names<T> + ?Sized> Names<T> for &K {}

/// What can name a value that is set to a `V`: any text, or a [`Key`] of the type that `V` is or borrows.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not hold a `{V}`",
    label = "a `Key<X>` takes an `X` or a `&X`, text takes anything that serialises"
)]
pub trait Holds<V: Serialize>: AsKey {
    /// Makes of `value` what is kept.
    ///
    /// # Errors
    /// As [`Session::insert`](crate::Session::insert).
    fn encode(&self, value: &V) -> Result<Value, Error> {
        Value::encode(self.as_ref(), value)
    }
}

impl<V: Serialize> Holds<V> for str {}
impl<V: Serialize> Holds<V> for String {}
impl<V: Serialize> Holds<V> for Cow<'_, str> {}
impl<V: Serialize> Holds<V> for Box<str> {}
impl<V: Serialize> Holds<V> for Arc<str> {}

impl<V: Serialize, K: Holds<V> + ?Sized> Holds<V> for &K {
    fn encode(&self, value: &V) -> Result<Value, Error> {
        (**self).encode(value)
    }
}

impl<T: Serialize + DeserializeOwned> Holds<T> for Key<T> {
    fn encode(&self, value: &T) -> Result<Value, Error> {
        Value::encode_as::<T>(self.name, value)
    }
}

impl<T: Serialize + DeserializeOwned> Holds<&T> for Key<T> {
    fn encode(&self, value: &&T) -> Result<Value, Error> {
        Value::encode_as::<T>(self.name, value)
    }
}

impl Holds<&str> for Key<String> {
    fn encode(&self, value: &&str) -> Result<Value, Error> {
        // Whatever the text, it is read back.
        Value::encode(self.name, value)
    }
}
