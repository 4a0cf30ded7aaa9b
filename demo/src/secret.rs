//! The demo's secret: made at the first start and kept in a file, so that sessions outlive a restart.

use std::fs;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use cloakroom::Secret;

/// The secret in this file, which is made if it is not there.
pub(crate) fn kept_in(path: &Path) -> Result<Secret, String> {
    let complain =
        |error: &dyn std::fmt::Display| format!("secret file {}: {error}", path.display());
    match fs::read_to_string(path) {
        Ok(text) => Secret::new(text.trim()).map_err(|error| complain(&error)),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let secret = Secret::generate().map_err(|error| complain(&error))?;
            write(path, &secret).map_err(|error| complain(&error))?;
            Ok(secret)
        }
        Err(error) => Err(complain(&error)),
    }
}

/// Only its owner may read it.
fn write(path: &Path, secret: &Secret) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(secret.reveal().as_bytes())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_secret_is_made_once_and_private() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state/secret");
        let first = kept_in(&path).unwrap();
        assert_eq!(kept_in(&path).unwrap().reveal(), first.reveal());
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_weak_secret_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        fs::write(&path, "letmein").unwrap();
        let complaint = kept_in(&path).unwrap_err();
        assert!(complaint.contains("has 7 bytes") && !complaint.contains("letmein"), "{complaint}");
    }
}
