//! Whom encrypted connections to Redis trust, and what they show of themselves.

use ::redis::{ClientTlsConfig, TlsCertificates};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::RedisOptions;
use super::url::Place;
use crate::store::Result;
use crate::store::rejected;

impl RedisOptions {
    /// Without any certificate in what was given, nobody would be trusted, and nobody say why.
    pub(super) fn check_certificates(&self, place: &Place) -> Result<()> {
        let is_one = |pem: &[u8]| CertificateDer::from_pem_slice(pem).is_ok();
        let has_any = self.root_certificate.is_some() || self.client_certificate.is_some();
        if has_any && !place.is_encrypted {
            return Err(rejected(
                "certificates are for encrypted connections: rediss:// in the URL",
            ));
        }
        if self.root_certificate.as_ref().is_some_and(|pem| !is_one(pem)) {
            let cause = "the root certificate is none: it begins with BEGIN CERTIFICATE in PEM";
            return Err(rejected(cause));
        }
        let Some((certificate, key)) = &self.client_certificate else { return Ok(()) };
        if !is_one(certificate) {
            let cause = "the client's certificate is none: it begins with BEGIN CERTIFICATE in PEM";
            return Err(rejected(cause));
        }
        match PrivateKeyDer::from_pem_slice(key) {
            Ok(_) => Ok(()),
            Err(_) => {
                Err(rejected("the client's key is none: it begins with BEGIN PRIVATE KEY in PEM"))
            }
        }
    }

    pub(super) fn certificates(&self) -> Option<TlsCertificates> {
        let root_cert = self.root_certificate.clone();
        let client_tls = self.client_certificate.as_ref().map(|(certificate, key)| {
            ClientTlsConfig { client_cert: certificate.clone(), client_key: key.to_vec() }
        });
        let has_any = root_cert.is_some() || client_tls.is_some();
        has_any.then_some(TlsCertificates { client_tls, root_cert })
    }
}

/// Encryption asks for the process's provider of it, which nobody may have chosen.
pub(super) fn choose_provider() {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // An error means that somebody was faster.
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
}
