//! The parts of a list, a map or a struct on their way to JSON, each [checked](super).

use serde::ser::{
    Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant,
};

use super::{At, Checked, Notes, Step, is_literal};

pub(super) struct Parts<'n, C> {
    inner: C,
    notes: &'n Notes,
    /// What is known of the parts.
    at: At,
    /// How many parts there were.
    count: usize,
    /// The variant of an enum whose parts they are.
    variant: Option<&'static str>,
}

impl<'n, C> Parts<'n, C> {
    pub(super) const fn new(inner: C, notes: &'n Notes, at: At) -> Self {
        Self { inner, notes, at, count: 0, variant: None }
    }

    pub(super) const fn of(mut self, variant: &'static str) -> Self {
        self.variant = Some(variant);
        self
    }

    fn part<'v, T: ?Sized>(&self, value: &'v T) -> Checked<'n, 'v, T> {
        Checked { value, notes: self.notes, at: self.at }
    }

    fn key<'v, T: ?Sized>(&self, key: &'v T) -> Checked<'n, 'v, T> {
        Checked { value: key, notes: self.notes, at: self.at.with(At::KEY) }
    }

    /// A first field that is a tag: whoever reads what follows buffers it.
    fn count_field<T: ?Sized>(&mut self) {
        if self.count == 0 && is_literal::<T>() {
            self.at = self.at.with(At::BUFFERED);
        }
        self.count += 1;
    }

    #[cold]
    fn step(&self, step: Step) {
        self.notes.step(step);
        if let Some(variant) = self.variant {
            self.notes.step(Step::Field(variant));
        }
    }
}

/// Items one after the other.
macro_rules! items {
    ($($trait:ident $call:ident;)*) => {$(
        impl<C: $trait> $trait for Parts<'_, C> {
            type Ok = C::Ok;
            type Error = C::Error;

            fn $call<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), C::Error> {
                let part = self.part(value);
                self.count += 1;
                let written = self.inner.$call(&part);
                written.inspect_err(|_| self.step(Step::Item(self.count - 1)))
            }

            fn end(self) -> Result<C::Ok, C::Error> {
                self.inner.end()
            }
        }
    )*};
}

items! {
    SerializeSeq serialize_element;
    SerializeTuple serialize_element;
    SerializeTupleStruct serialize_field;
    SerializeTupleVariant serialize_field;
}

/// Fields by their names.
macro_rules! fields {
    ($($trait:ident)*) => {$(
        impl<C: $trait> $trait for Parts<'_, C> {
            type Ok = C::Ok;
            type Error = C::Error;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                name: &'static str,
                value: &T,
            ) -> Result<(), C::Error> {
                self.count_field::<T>();
                let part = self.part(value);
                let written = self.inner.serialize_field(name, &part);
                written.inspect_err(|_| self.step(Step::Field(name)))
            }

            fn skip_field(&mut self, name: &'static str) -> Result<(), C::Error> {
                self.inner.skip_field(name)
            }

            fn end(self) -> Result<C::Ok, C::Error> {
                self.inner.end()
            }
        }
    )*};
}

fields! { SerializeStruct SerializeStructVariant }

impl<C: SerializeMap> SerializeMap for Parts<'_, C> {
    type Ok = C::Ok;
    type Error = C::Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), C::Error> {
        let key = self.key(key);
        self.count += 1;
        self.inner.serialize_key(&key).inspect_err(|_| self.step(Step::Entry))
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), C::Error> {
        let part = self.part(value);
        self.inner.serialize_value(&part).inspect_err(|_| self.step(Step::Entry))
    }

    fn serialize_entry<K, V>(&mut self, key: &K, value: &V) -> Result<(), C::Error>
    where
        K: Serialize + ?Sized,
        V: Serialize + ?Sized,
    {
        if is_literal::<K>() {
            self.count_field::<V>();
        } else {
            self.count += 1;
        }
        let (key, part) = (self.key(key), self.part(value));
        self.inner.serialize_entry(&key, &part).inspect_err(|_| self.step(Step::Entry))
    }

    fn end(self) -> Result<C::Ok, C::Error> {
        self.inner.end()
    }
}
