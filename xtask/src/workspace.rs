//! What cargo knows about this workspace: where it lies, which features the library has, which
//! Rust it and its dependencies ask for.
//!
//! Everything is read from `cargo metadata` and `cargo tree`, so that nothing in here must be
//! edited when a feature or a dependency is added.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::run::{Failure, Outcome, answer, cargo, fail};

/// The library's name among the packages.
pub(crate) const LIBRARY: &str = "cloakroom";

/// This checkout.
#[derive(Debug)]
pub(crate) struct Workspace {
    root: PathBuf,
    metadata: Value,
}

impl Workspace {
    /// Finds the workspace that this program belongs to, and makes its root the current folder.
    pub(crate) fn find() -> Outcome<Self> {
        // Set by `cargo run`, which is how the alias starts us; the other one is for a debugger.
        let own = std::env::var_os("CARGO_MANIFEST_DIR");
        let own = own.map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
        let root = own.parent().unwrap_or(&own).to_owned();
        std::env::set_current_dir(&root)
            .map_err(|error| Failure(format!("cannot enter {}: {error}", root.display())))?;
        let text = answer(&mut cargo(["metadata", "--format-version=1", "--all-features"]))?;
        let metadata = serde_json::from_str(&text).map_err(|error| {
            Failure(format!("cannot read the output of cargo metadata: {error}"))
        })?;
        Ok(Self { root, metadata })
    }

    /// The folder of the checkout.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Where cargo builds.
    pub(crate) fn target(&self) -> Outcome<PathBuf> {
        match self.metadata["target_directory"].as_str() {
            Some(folder) => Ok(PathBuf::from(folder)),
            None => fail("cargo metadata names no target directory"),
        }
    }

    /// The library's features but `default`, which is a choice among the others.
    pub(crate) fn features(&self) -> Outcome<Vec<String>> {
        let library = self.library()?;
        let Some(features) = library["features"].as_object() else {
            return fail("cargo metadata lists no features");
        };
        Ok(features.keys().filter(|name| *name != "default").cloned().collect())
    }

    /// The oldest Rust that the library promises to build with.
    pub(crate) fn msrv(&self) -> Outcome<String> {
        match self.library()?["rust_version"].as_str() {
            Some(version) => Ok(version.to_owned()),
            None => fail(format!("{LIBRARY} declares no rust-version")),
        }
    }

    /// Dependencies of the library, all features and platforms, that ask for a newer Rust than
    /// it promises. Dependencies of its tests are free to.
    pub(crate) fn newer_than_msrv(&self) -> Outcome<Vec<String>> {
        let msrv = self.msrv()?;
        let ours = self.normal_dependencies()?;
        let mut newer = Vec::new();
        for package in self.packages()? {
            let (name, version) = (text(&package["name"]), text(&package["version"]));
            let Some(wanted) = package["rust_version"].as_str() else { continue };
            if ours.contains(&format!("{name} v{version}")) && parts(wanted) > parts(&msrv) {
                newer.push(format!("{name} {version} asks for Rust {wanted}"));
            }
        }
        Ok(newer)
    }

    /// `name vVERSION` of everything a user of the library builds. From `cargo tree` and not from
    /// the metadata, whose graph also has what other members of the workspace switch on.
    fn normal_dependencies(&self) -> Outcome<BTreeSet<String>> {
        let what = ["tree", "--package", LIBRARY, "--all-features", "--target=all"];
        let how = ["--edges=normal,build", "--prefix=none", "--format={p}"];
        let tree = answer(&mut cargo(what.into_iter().chain(how)))?;
        let package = |line: &str| line.split(' ').take(2).collect::<Vec<_>>().join(" ");
        Ok(tree.lines().filter(|line| !line.is_empty()).map(package).collect())
    }

    fn library(&self) -> Outcome<&Value> {
        let library = self.packages()?.iter().find(|package| package["name"] == LIBRARY);
        library.map_or_else(|| fail(format!("cargo metadata knows no {LIBRARY}")), Ok)
    }

    fn packages(&self) -> Outcome<&Vec<Value>> {
        self.metadata["packages"].as_array().map_or_else(|| fail("no packages"), Ok)
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// `1.88` and `1.88.0` are the same Rust.
fn parts(version: &str) -> [u32; 3] {
    let mut parts = version.split(['.', '-', '+']).map(|part| part.parse().unwrap_or(0));
    std::array::from_fn(|_| parts.next().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_by_number_and_not_by_text() {
        assert!(parts("1.100") > parts("1.88"));
        assert!(parts("1.88.1") > parts("1.88"));
        assert_eq!(parts("1.88.0"), parts("1.88"));
    }

    #[test]
    fn the_library_its_features_and_its_dependencies_are_found() {
        let workspace = Workspace::find().unwrap();
        let features = workspace.features().unwrap();
        assert!(features.iter().any(|name| name == "axum"), "{features:?}");
        assert!(!features.iter().any(|name| name == "default"), "{features:?}");
        let dependencies = workspace.normal_dependencies().unwrap();
        assert!(dependencies.iter().any(|name| name.starts_with("serde_json v")));
        assert!(!dependencies.iter().any(|name| name.starts_with("proptest v")), "a test's own");
    }
}
