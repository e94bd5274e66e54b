//! The development certificate authority and the profile of its X.509-SVIDs
//! (notes/identity.md section 3).

use std::path::Path;
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PublicKeyData as _, SanType,
};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use time::OffsetDateTime;

use crate::folder::{self, FolderError};

const LIFETIME: Duration = Duration::from_hours(365 * 24);
/// Clocks of one machine agree; this only spares a client that compares whole seconds.
const BACKDATED: Duration = Duration::from_secs(10);
const ORGANIZATION: &str = "Countersign development";

/// Why the authority cannot be opened or cannot issue.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// Its file cannot be read or written.
    #[error("cannot keep the development authority")]
    Folder(#[from] FolderError),
    /// Its file is damaged.
    #[error("the file of the development authority is not readable")]
    Unreadable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Its year is over.
    #[error("the development authority expired at {at}: start again with --reset")]
    Expired {
        /// When it expired.
        at: OffsetDateTime,
    },
    /// The file belongs to another trust domain.
    #[error("the development authority is that of {found}, not of {wanted}")]
    OtherTrustDomain {
        /// Trust domain of the file.
        found: String,
        /// Trust domain that was asked for.
        wanted: String,
    },
    /// A certificate could not be made.
    #[error("cannot make a certificate")]
    Certificate(#[from] rcgen::Error),
}

/// A certificate authority whose key is random per data folder.
#[derive(Debug)]
pub struct Authority {
    trust_domain: String,
    issuer: Issuer<'static, KeyPair>,
    certificate_pem: String,
    certificate_der: Vec<u8>,
    not_after: OffsetDateTime,
}

/// An issued X.509-SVID with its private key.
pub struct Svid {
    /// The leaf certificate.
    pub certificate_der: Vec<u8>,
    /// The private key as PKCS#8.
    pub key_der: Vec<u8>,
    /// The leaf certificate as PEM.
    pub certificate_pem: String,
    /// The private key as PKCS#8 PEM.
    pub key_pem: String,
}

#[derive(Serialize, Deserialize)]
struct Kept {
    trust_domain: String,
    not_after: i64,
    certificate_pem: String,
    key_pem: String,
}

impl Authority {
    /// Opens the authority that `file` (mode 0600) keeps, or makes a new one valid for a year.
    pub fn open(file: &Path, trust_domain: &str) -> Result<Self, AuthorityError> {
        let unreadable = |error: serde_json::Error| AuthorityError::Unreadable(error.into());
        let kept = if let Some(text) = folder::read(file)? {
            serde_json::from_str(&text).map_err(unreadable)?
        } else {
            let kept = make(trust_domain)?;
            let text = serde_json::to_vec_pretty(&kept).map_err(unreadable)?;
            folder::write_private(file, &text)?;
            kept
        };
        Self::from_kept(kept, trust_domain)
    }

    fn from_kept(kept: Kept, trust_domain: &str) -> Result<Self, AuthorityError> {
        if kept.trust_domain != trust_domain {
            let (found, wanted) = (kept.trust_domain, trust_domain.to_owned());
            return Err(AuthorityError::OtherTrustDomain { found, wanted });
        }
        let not_after = OffsetDateTime::from_unix_timestamp(kept.not_after)
            .map_err(|error| AuthorityError::Unreadable(error.into()))?;
        if not_after <= OffsetDateTime::now_utc() {
            return Err(AuthorityError::Expired { at: not_after });
        }
        let certificate_der = CertificateDer::from_pem_slice(kept.certificate_pem.as_bytes())
            .map_err(|error| AuthorityError::Unreadable(error.into()))?
            .to_vec();
        let issuer = Issuer::new(parameters(trust_domain)?, KeyPair::from_pem(&kept.key_pem)?);
        let (trust_domain, certificate_pem) = (kept.trust_domain, kept.certificate_pem);
        Ok(Self { trust_domain, issuer, certificate_pem, certificate_der, not_after })
    }

    /// Its trust domain.
    pub fn trust_domain(&self) -> &str {
        &self.trust_domain
    }

    /// Its certificate as DER.
    pub fn certificate_der(&self) -> &[u8] {
        &self.certificate_der
    }

    /// Its certificate as PEM.
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// 64 hex characters of the SHA-256 of its SPKI DER: the `spki_sha256` of a trust root's
    /// `agent_authorities`.
    pub fn spki_sha256(&self) -> String {
        hex::encode(Sha256::digest(self.issuer.key().subject_public_key_info()))
    }

    /// When its certificate expires.
    pub fn not_after(&self) -> OffsetDateTime {
        self.not_after
    }

    /// Issues an SVID for `spiffe_id`, valid for `ttl`, at most as long as the authority.
    pub fn issue(&self, spiffe_id: &str, ttl: Duration) -> Result<Svid, AuthorityError> {
        let now = OffsetDateTime::now_utc();
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let mut leaf = CertificateParams::default();
        leaf.distinguished_name = DistinguishedName::new();
        leaf.is_ca = IsCa::ExplicitNoCa;
        leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        leaf.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        leaf.use_authority_key_identifier_extension = true;
        leaf.subject_alt_names = vec![SanType::URI(spiffe_id.try_into()?)];
        leaf.not_before = now - BACKDATED;
        leaf.not_after = (now + ttl).min(self.not_after);
        let certificate = leaf.signed_by(&key, &self.issuer)?;
        Ok(Svid {
            certificate_der: certificate.der().to_vec(),
            key_der: key.serialize_der(),
            certificate_pem: certificate.pem(),
            key_pem: key.serialize_pem(),
        })
    }
}

fn make(trust_domain: &str) -> Result<Kept, AuthorityError> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let now = OffsetDateTime::now_utc();
    let mut authority = parameters(trust_domain)?;
    authority.not_before = now - BACKDATED;
    authority.not_after = now + LIFETIME;
    let certificate = authority.self_signed(&key)?;
    Ok(Kept {
        trust_domain: trust_domain.to_owned(),
        not_after: authority.not_after.unix_timestamp(),
        certificate_pem: certificate.pem(),
        key_pem: key.serialize_pem(),
    })
}

/// What the authority's certificate and every issuer made from its key have in common.
fn parameters(trust_domain: &str) -> Result<CertificateParams, AuthorityError> {
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name = DistinguishedName::new();
    parameters.distinguished_name.push(DnType::OrganizationName, ORGANIZATION);
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let id = format!("spiffe://{trust_domain}");
    parameters.subject_alt_names = vec![SanType::URI(id.as_str().try_into()?)];
    Ok(parameters)
}
