//! Requests that came from somewhere else: tokens, checks, and the guard, through the library's public face.

#![allow(clippy::unwrap_used)] // a test that cannot go on should say where

mod body;
mod compression;
mod double_submit;
mod guard;
mod predicate;
mod pyramid;
mod shop;
mod table;
mod templates;
mod tokens;
