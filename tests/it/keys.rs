//! Whatever names a value, or a queue, does so in every method.

#![allow(clippy::needless_borrows_for_generic_args)] // borrowing is what is tried here

use std::borrow::Cow;
use std::sync::Arc;

use cloakroom::session::{AsKey, Holds, Names};
use cloakroom::{Key, Queue, Session};

const NUMBER: Key<u32> = Key::new("k");
const WORD: Key<String> = Key::new("word").strict();
const NUMBERS: Queue<u32> = Queue::new("q");
const WORDS: Queue<String> = Queue::new("words").unique();

/// Every method that takes a key, with this one.
fn every_method<K>(key: K)
where
    K: Holds<u32> + for<'a> Holds<&'a u32> + Names<u32> + Copy,
{
    let session = Session::detached();
    assert_eq!(session.insert(key, 1_u32).unwrap(), None);
    session.insert(key, &2_u32).unwrap();
    session.extend([(key, 3_u32)]).unwrap();
    assert!(session.contains_key(key) && session.entries().contains_key(key));
    assert_eq!(session.modify(key, |n: &mut u32| *n += 1).unwrap(), ());
    assert_eq!(session.get(key).unwrap(), Some(4));
    assert_eq!(session.get_or_insert_with(key, || 5).unwrap(), 4);
    assert_eq!(session.entries().get(key).unwrap().as_json(), "4");
    assert_eq!(session.remove(key).unwrap().unwrap().as_json(), "4");
    session.insert(key, 6).unwrap();
    assert_eq!(session.take(key).unwrap(), Some(6));
    assert!(session.is_empty());
}

#[test]
fn whatever_names_a_value_names_it_in_every_method() {
    let (string, boxed, shared) = ("k".to_owned(), Box::<str>::from("k"), Arc::<str>::from("k"));
    let cow = Cow::Borrowed("k");
    every_method("k");
    every_method(&"k");
    every_method(&string);
    every_method(&&string);
    every_method(&cow);
    every_method(&boxed);
    every_method(&shared);
    every_method(NUMBER);
    every_method(&NUMBER);
    every_method(&&NUMBER);
}

#[test]
fn what_names_a_value_may_be_given_away() {
    let session = Session::detached();
    session.insert("a".to_owned(), 1).unwrap();
    session.insert(Cow::Borrowed("b"), 2).unwrap();
    session.insert(Box::<str>::from("c"), 3).unwrap();
    session.insert(Arc::<str>::from("d"), "4").unwrap();
    session.insert(WORD, "5").unwrap();
    session.insert(&WORD, &String::from("6")).unwrap();
    assert_eq!(session.get::<u32>("a".to_owned()).unwrap(), Some(1));
    assert_eq!(session.take::<u32>(Cow::Owned("b".to_owned())).unwrap(), Some(2));
    assert!(session.remove(Box::<str>::from("c")).unwrap().is_some());
    assert!(session.contains_key(Arc::<str>::from("d")));
    assert_eq!(session.get(&WORD).unwrap().as_deref(), Some("6"));
}

#[test]
fn a_strict_key_is_strict_by_reference_too() {
    let is_strict = |key: &dyn AsKey| key.is_strict();
    assert!(is_strict(&WORD) && is_strict(&&WORD) && is_strict(&&&WORD));
    assert!(!is_strict(&NUMBER) && !is_strict(&"word") && !is_strict(&String::new()));
}

#[tokio::test]
async fn r30_a_queue_is_named_by_whatever_is_text_or_a_typed_queue() {
    let (string, shared) = ("q".to_owned(), Arc::<str>::from("q"));
    let session = Session::detached();
    session.flash_to(NUMBERS, 1).unwrap();
    session.flash_to(&NUMBERS, &2).unwrap();
    session.flash_to(&string, 3).unwrap();
    session.flash_to(&&string, &4).unwrap();
    session.flash_to(string.clone(), 5).unwrap();
    session.flash_to(&shared, 6).unwrap();
    session.flash_to(shared.clone(), 7).unwrap();
    session.flash_to(Cow::Borrowed("q"), 8).unwrap();
    session.flash_to(Box::<str>::from("q"), 9).unwrap();
    assert_eq!(session.peek_flash(&NUMBERS).unwrap().len(), 9);
    assert_eq!(session.peek_flash::<u32>(&shared).unwrap().len(), 9);
    assert_eq!(session.pop_flash(&&NUMBERS).await.unwrap(), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
}

#[test]
fn a_message_is_given_or_lent() {
    let (session, word) = (Session::detached(), String::from("x"));
    session.flash(&word).unwrap();
    session.flash(word.clone()).unwrap();
    assert_eq!(session.peek_flash::<String>("").unwrap(), ["x", "x"]);
    session.flash_to(&WORDS, "x").unwrap();
    session.flash_to(WORDS, &word).unwrap();
    assert!(!session.flash_unique(&WORDS, word.clone()).unwrap());
    assert_eq!(session.peek_flash(WORDS).unwrap(), ["x"], "R31, also by reference");
}
