//! TLS: the server's identity from its files.
//!
//! Owns: reading certificate and key, and what is wrong with them, before anything is served.
//! Never: repeats a byte of a key, nor accepts a version before TLS 1.2.
//! Source: PEM, RFC 7468; ALPN, RFC 7301.

use crate::options::TlsFiles;
use rustls::crypto::ring;
use rustls_pki_types::pem::{self, PemObject};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio_rustls::TlsAcceptor;

/// Why a server has no TLS identity.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file can't be read.
    #[error("{} can't be read: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file is no PEM.
    #[error("{} is no PEM: a block in it is broken", path.display())]
    NotPem {
        /// The file.
        path: PathBuf,
    },
    /// A file has no certificate.
    #[error("{} holds no `BEGIN CERTIFICATE`", path.display())]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// A file has no private key.
    #[error("{} holds no `BEGIN PRIVATE KEY`; a key with a password can't be used", path.display())]
    NoKey {
        /// The file.
        path: PathBuf,
    },
    /// The key is not that of the first certificate.
    #[error("the key in {} is not that of the first certificate in {}", key.display(), cert.display())]
    KeyMismatch {
        /// The file of the certificates.
        cert: PathBuf,
        /// The file of the key.
        key: PathBuf,
    },
    /// Certificate or key are of a kind that can't be used.
    #[error("the certificate or the key can't be used: {0}")]
    Unusable(#[source] rustls::Error),
}

impl TlsError {
    /// A stable name for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unreadable { .. } => "tls_unreadable",
            Self::NotPem { .. } => "tls_not_pem",
            Self::NoCertificate { .. } => "tls_no_certificate",
            Self::NoKey { .. } => "tls_no_key",
            Self::KeyMismatch { .. } => "tls_key_mismatch",
            Self::Unusable(_) => "tls_unusable",
        }
    }

    /// Whether the same call may succeed later: never, the files must change first.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        false
    }
}

/// What accepts TLS with the identity in `files`.
///
/// # Errors
/// What is wrong with them.
pub(super) fn acceptor(files: &TlsFiles) -> Result<TlsAcceptor, TlsError> {
    let certificates = CertificateDer::pem_slice_iter(&read(&files.cert)?)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| TlsError::NotPem { path: files.cert.clone() })?;
    if certificates.is_empty() {
        return Err(TlsError::NoCertificate { path: files.cert.clone() });
    }
    let key = PrivateKeyDer::from_pem_slice(&read(&files.key)?).map_err(|error| match error {
        pem::Error::NoItemsFound => TlsError::NoKey { path: files.key.clone() },
        // Its text may repeat a line of the key.
        _ => TlsError::NotPem { path: files.key.clone() },
    })?;
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Unusable)?
        .with_no_client_auth();
    let mut config = config.with_single_cert(certificates, key).map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => {
            TlsError::KeyMismatch { cert: files.cert.clone(), key: files.key.clone() }
        }
        error => TlsError::Unusable(error),
    })?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(path).map_err(|source| TlsError::Unreadable { path: path.to_owned(), source })
}
