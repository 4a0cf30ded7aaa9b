//! What stands between a value and its JSON: refuses what would become something else.
//!
//! serde hands a value over call by call, and most calls are passed on as they are. A float that is not finite,
//! which JSON has no word for, ends it, and so does a number beyond all floats in text that is passed on as it is. And
//! some things can be read back by some types only:
//!
//! - an integer beyond 64 bits, and `Some` of what becomes `null`;
//! - in what its reader buffers, because it looks for a tag or for flattened fields, any integer of 128 bits, a key
//!   that is not text, and JSON that is kept as it is.
//!
//! Where the type is known it is tried out ([`Reader::Known`]), else such a thing is refused.

use std::any::type_name;
use std::cell::{Cell, RefCell};
use std::fmt::Display;
use std::io::Write;

use serde::ser::{self, Error as _, Serialize, Serializer};

mod parts;

use super::value::is_beyond_floats;
use parts::Parts;

const NOT_FINITE: &str = "a float that is not finite";
const BEYOND: &str = "a number beyond the largest float";
const WIDE: &str = "an integer of 128 bits";
const KEY: &str = "a map's key that is no text, where serde looks for a tag or flattens";
const RAW: &str = "JSON kept as it is, where serde looks for a tag or flattens";
const ABSENT: &str = "`Some` of what is written as `null` and read as `None`";

/// Who will read the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reader {
    /// Any type: what only some can read is refused.
    Unknown,
    /// A type that is about to be tried: what only some can read is counted.
    Known,
}

/// Writes `value` as JSON and says how much in it only some types can read; or what is wrong with it, and where.
pub(super) fn write<T: Serialize + ?Sized>(
    out: &mut impl Write,
    value: &T,
    reader: Reader,
) -> Result<usize, String> {
    let notes = Notes { reader, doubts: Cell::new(0), path: RefCell::default() };
    let mut json = serde_json::Serializer::new(out);
    let written = value.serialize(Checker { inner: &mut json, notes: &notes, at: At::VALUE });
    match written {
        Ok(()) if notes.path.borrow().is_empty() => Ok(notes.doubts.get()),
        // A part that failed and was passed over has left half of itself behind.
        Ok(()) => Err(notes.tell(&"a part that was given up")),
        Err(error) => Err(notes.tell(&error)),
    }
}

/// What is found out on the way.
struct Notes {
    reader: Reader,
    doubts: Cell<usize>,
    /// Where it failed, from the inside out.
    path: RefCell<Vec<Step>>,
}

#[derive(Clone, Copy)]
enum Step {
    Field(&'static str),
    Item(usize),
    /// Its key may be as private as its value (S87).
    Entry,
}

impl Notes {
    #[cold]
    fn step(&self, step: Step) {
        self.path.borrow_mut().push(step);
    }

    #[cold]
    fn doubt<E: ser::Error>(&self, what: &'static str) -> Result<(), E> {
        self.doubts.set(self.doubts.get() + 1);
        match self.reader {
            Reader::Known => Ok(()),
            Reader::Unknown => Err(E::custom(format_args!(
                "{what}, which not every type can be read from (a `Key<T>` knows its type)"
            ))),
        }
    }

    fn tell(&self, what: &impl Display) -> String {
        let path = self.path.borrow();
        let steps = path.iter().rev().map(|step| match step {
            Step::Field(name) if name.starts_with(PRIVATE) => String::new(),
            Step::Field(name) => format!(".{name}"),
            Step::Item(at) => format!("[{at}]"),
            Step::Entry => ".*".to_owned(),
        });
        let place: String = steps.collect();
        if place.is_empty() { what.to_string() } else { format!("{what}, at {place}") }
    }
}

/// What is known of the place that is being written.
#[derive(Clone, Copy)]
struct At(u8);

impl At {
    const VALUE: Self = Self(0);
    /// Its reader keeps everything in between, and has then forgotten what JSON it was.
    const BUFFERED: u8 = 1;
    /// The key of a map.
    const KEY: u8 = 2;
    /// Directly in `Some`.
    const PRESENT: u8 = 4;
    /// JSON text that is written as it is.
    const RAW: u8 = 8;

    const fn has(self, all: u8) -> bool {
        self.0 & all == all
    }

    const fn with(self, flag: u8) -> Self {
        Self(self.0 | flag)
    }

    /// One level further in.
    const fn inside(self) -> Self {
        Self(self.0 & Self::BUFFERED)
    }
}

/// A value on its way to `inner`, which writes it.
struct Checker<'n, S> {
    inner: S,
    notes: &'n Notes,
    at: At,
}

/// A value that is part of another.
struct Checked<'n, 'v, T: ?Sized> {
    value: &'v T,
    notes: &'n Notes,
    at: At,
}

impl<T: Serialize + ?Sized> Serialize for Checked<'_, '_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.value.serialize(Checker { inner: serializer, notes: self.notes, at: self.at })
    }
}

impl<'n, S: Serializer> Checker<'n, S> {
    /// The part of this value that `Some`, a newtype or a variant is around.
    fn part<'v, T: ?Sized>(&self, value: &'v T, at: At) -> Checked<'n, 'v, T> {
        Checked { value, notes: self.notes, at }
    }

    fn parts<C>(
        notes: &'n Notes,
        at: At,
        inner: Result<C, S::Error>,
    ) -> Result<Parts<'n, C>, S::Error> {
        Ok(Parts::new(inner?, notes, at.inside()))
    }

    fn check_key(&self) -> Result<(), S::Error> {
        if self.at.has(At::KEY | At::BUFFERED) { self.notes.doubt(KEY) } else { Ok(()) }
    }

    fn check_wide(&self, is_beyond: bool) -> Result<(), S::Error> {
        if is_beyond || self.at.has(At::BUFFERED) { self.notes.doubt(WIDE) } else { Ok(()) }
    }

    fn check_float(&self, is_finite: bool) -> Result<(), S::Error> {
        if is_finite { self.check_key() } else { Err(S::Error::custom(NOT_FINITE)) }
    }

    fn check_raw(&self, json: &str) -> Result<(), S::Error> {
        if is_beyond_floats(json.as_bytes()) {
            return Err(S::Error::custom(BEYOND));
        }
        if json.trim_ascii() == "null" { self.check_null() } else { Ok(()) }
    }

    fn check_null(&self) -> Result<(), S::Error> {
        if self.at.has(At::PRESENT) { self.notes.doubt(ABSENT) } else { Ok(()) }
    }
}

/// Passes calls on once they are checked.
macro_rules! pass {
    ($($call:ident($($name:ident: $type:ty),*) $check:expr;)*) => {$(
        fn $call(self, $($name: $type),*) -> Result<S::Ok, S::Error> {
            let check: fn(&Self, $($type),*) -> Result<(), S::Error> = $check;
            check(&self, $($name),*)?;
            self.inner.$call($($name),*)
        }
    )*};
}

impl<'n, S: Serializer> Serializer for Checker<'n, S> {
    type Ok = S::Ok;
    type Error = S::Error;
    type SerializeSeq = Parts<'n, S::SerializeSeq>;
    type SerializeTuple = Parts<'n, S::SerializeTuple>;
    type SerializeTupleStruct = Parts<'n, S::SerializeTupleStruct>;
    type SerializeTupleVariant = Parts<'n, S::SerializeTupleVariant>;
    type SerializeMap = Parts<'n, S::SerializeMap>;
    type SerializeStruct = Parts<'n, S::SerializeStruct>;
    type SerializeStructVariant = Parts<'n, S::SerializeStructVariant>;

    pass! {
        serialize_bool(v: bool) |it, _| it.check_key();
        serialize_i8(v: i8) |it, _| it.check_key();
        serialize_i16(v: i16) |it, _| it.check_key();
        serialize_i32(v: i32) |it, _| it.check_key();
        serialize_i64(v: i64) |it, _| it.check_key();
        serialize_u8(v: u8) |it, _| it.check_key();
        serialize_u16(v: u16) |it, _| it.check_key();
        serialize_u32(v: u32) |it, _| it.check_key();
        serialize_u64(v: u64) |it, _| it.check_key();
        serialize_i128(v: i128) |it, v| it.check_wide(i64::try_from(v).is_err() && u64::try_from(v).is_err());
        serialize_u128(v: u128) |it, v| it.check_wide(u64::try_from(v).is_err());
        serialize_f32(v: f32) |it, v| it.check_float(v.is_finite());
        serialize_f64(v: f64) |it, v| it.check_float(v.is_finite());
        serialize_char(v: char) |_, _| Ok(());
        serialize_bytes(v: &[u8]) |_, _| Ok(());
        serialize_none() |it| it.check_null();
        serialize_unit() |it| it.check_null();
        serialize_unit_struct(name: &'static str) |it, _| it.check_null();
        serialize_unit_variant(name: &'static str, index: u32, variant: &'static str) |_, _, _, _| Ok(());
    }

    fn serialize_str(self, v: &str) -> Result<S::Ok, S::Error> {
        if self.at.has(At::RAW) {
            self.check_raw(v)?;
        }
        self.inner.serialize_str(v)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        let part = self.part(value, self.at.with(At::PRESENT));
        self.inner.serialize_some(&part)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        let part = self.part(value, self.at);
        self.inner.serialize_newtype_struct(name, &part)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        let part = self.part(value, self.at.inside());
        let written = self.inner.serialize_newtype_variant(name, index, variant, &part);
        written.inspect_err(|_| self.notes.step(Step::Field(variant)))
    }

    fn serialize_seq(self, len: Option<usize>) -> Result<Self::SerializeSeq, S::Error> {
        Self::parts(self.notes, self.at, self.inner.serialize_seq(len))
    }

    fn serialize_tuple(self, len: usize) -> Result<Self::SerializeTuple, S::Error> {
        Self::parts(self.notes, self.at, self.inner.serialize_tuple(len))
    }

    fn serialize_tuple_struct(
        self,
        name: &'static str,
        len: usize,
    ) -> Result<Self::SerializeTupleStruct, S::Error> {
        Self::parts(self.notes, self.at, self.inner.serialize_tuple_struct(name, len))
    }

    fn serialize_tuple_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Self::SerializeTupleVariant, S::Error> {
        let inner = self.inner.serialize_tuple_variant(name, index, variant, len);
        Ok(Self::parts(self.notes, self.at, inner)?.of(variant))
    }

    fn serialize_map(self, len: Option<usize>) -> Result<Self::SerializeMap, S::Error> {
        // A struct with flattened fields is a map of a length that nobody knows.
        let at = if len.is_none() { self.at.with(At::BUFFERED) } else { self.at };
        Self::parts(self.notes, at, self.inner.serialize_map(len))
    }

    fn serialize_struct(
        self,
        name: &'static str,
        len: usize,
    ) -> Result<Self::SerializeStruct, S::Error> {
        if name == RAW_VALUE || name == NUMBER {
            if name == RAW_VALUE && self.at.has(At::BUFFERED) {
                self.notes.doubt(RAW)?;
            }
            let raw = self.at.with(At::RAW);
            return Ok(Parts::new(self.inner.serialize_struct(name, len)?, self.notes, raw));
        }
        Self::parts(self.notes, self.at, self.inner.serialize_struct(name, len))
    }

    fn serialize_struct_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Self::SerializeStructVariant, S::Error> {
        let inner = self.inner.serialize_struct_variant(name, index, variant, len);
        Ok(Self::parts(self.notes, self.at, inner)?.of(variant))
    }

    fn collect_str<T: Display + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        self.inner.collect_str(value)
    }

    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }
}

/// What serde_json's own names begin with, which tell nobody where it is.
const PRIVATE: &str = "$serde_json::private::";
/// What serde_json calls a struct whose only field is JSON text, to be written as it is.
const RAW_VALUE: &str = "$serde_json::private::RawValue";
/// The same for a number, where a program has serde_json keep all of its digits (its feature `arbitrary_precision`).
const NUMBER: &str = "$serde_json::private::Number";

/// Whether a part is a text that stands in a program: the tag that serde's derive writes first. What a program reads
/// or computes comes by reference, or as a `String`, and has the name of that.
fn is_literal<T: ?Sized>() -> bool {
    type_name::<T>() == "str"
}
