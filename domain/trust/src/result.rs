//! Results signed by an agent's X.509-SVID, and their verification against pinned authorities.
//!
//! ES256 (raw r || s) over the PAE; `x5c` holds the whole chain, leaf first, with the issuing authority's certificate,
//! so that its SPKI can be hashed and compared. Source: PROTOCOL.md section 3 `result.v1`, SPIFFE X509-SVID section 5.

use crate::dsse::{Certificate, Envelope, Parsed, Signature};
use crate::encoding::{Sha256Digest, Timestamp};
use crate::spiffe::SpiffeId;
use crate::statement::{AgentAuthority, JobResult, Statement, StatementError};
use p256::ecdsa::signature::{Signer as _, Verifier as _};
use p256::ecdsa::{SigningKey, VerifyingKey};
use p256::pkcs8::{DecodePrivateKey as _, DecodePublicKey as _, EncodePublicKey as _};
use rustls_pki_types::{CertificateDer, UnixTime};
use std::time::Duration;
use webpki::{ALL_VERIFICATION_ALGS, EndEntityCert, KeyUsage, anchor_from_trusted_cert};
use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};

/// Longest chain, in certificates.
const MAX_CHAIN: usize = 8;

/// Why a result could not be signed, or is not an agent's word.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResultError {
    /// The result itself is refused.
    #[error("the result's statement is refused")]
    Statement(#[from] StatementError),
    /// Not a P-256 private key in PKCS#8 DER.
    #[error("not a P-256 private key (PKCS#8 DER)")]
    PrivateKey,
    /// The private key is not the leaf's.
    #[error("the private key is not the one that the certificate names")]
    OtherKey,
    /// No signature comes with a certificate chain.
    #[error("no signature comes with a certificate chain")]
    Unsigned,
    /// Empty, longer than 8, or one of them is not an X.509 certificate.
    #[error("the certificate chain cannot be read")]
    Chain,
    /// The leaf does not hold a P-256 key.
    #[error("the certificate does not hold a P-256 key")]
    PublicKey,
    /// The signature is not by the leaf's key.
    #[error("the signature does not verify with the certificate's key")]
    Signature,
    /// Not exactly one URI name that is the SPIFFE id of an agent.
    #[error("the certificate does not name exactly one agent by its SPIFFE id")]
    Name,
    /// The certificate names somebody else than the payload.
    #[error("the certificate names {certified}, the result {claimed}")]
    OtherAgent {
        /// Whom the certificate names.
        certified: String,
        /// Whom the payload names.
        claimed: String,
    },
    /// The payload's tenant is not the agent's.
    #[error("the result is of another tenant than its agent")]
    OtherTenant,
    /// No certificate of the chain is a pinned authority of the trust domain at that time.
    #[error("no pinned authority of the trust domain stands in the chain")]
    AuthorityUnknown,
    /// The chain does not lead to the authority at that time.
    #[error("the chain does not hold at that time: {0}")]
    Path(webpki::Error),
}

/// An agent's word: signed by the agent's certified key, under a pinned authority.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedResult {
    result: JobResult,
    sha256: Sha256Digest,
    authority: Sha256Digest,
}

impl VerifiedResult {
    /// What the agent says.
    pub fn result(&self) -> &JobResult {
        &self.result
    }

    /// SHA-256 of the payload.
    pub fn sha256(&self) -> Sha256Digest {
        self.sha256
    }

    /// SHA-256 of the SPKI of the authority that vouches for the agent.
    pub fn authority(&self) -> Sha256Digest {
        self.authority
    }
}

/// Signs a result with the agent's current certificate.
pub fn sign(
    result: &JobResult,
    pkcs8_der: &[u8],
    chain_der: &[Vec<u8>],
) -> Result<Envelope, ResultError> {
    sign_payload(result.to_payload()?, pkcs8_der, chain_der)
}

/// Signs a result that was stored as exact bytes, as for a redelivered job.
pub fn sign_payload(
    payload: Vec<u8>,
    pkcs8_der: &[u8],
    chain_der: &[Vec<u8>],
) -> Result<Envelope, ResultError> {
    let result = JobResult::parse(&payload)?;
    let key = SigningKey::from_pkcs8_der(pkcs8_der).map_err(|_| ResultError::PrivateKey)?;
    let leaf = chain_der.first().ok_or(ResultError::Chain)?;
    let leaf = Leaf::read(leaf)?;
    if leaf.key != *key.verifying_key() {
        return Err(ResultError::OtherKey);
    }
    leaf.check_names(&result)?;
    let envelope = Envelope::around_payload(JobResult::PAYLOAD_TYPE, payload);
    let signature: p256::ecdsa::Signature = key.sign(&envelope.pae());
    let spki = key.verifying_key().to_public_key_der().map_err(|_| ResultError::PublicKey)?;
    Ok(envelope.with_signature(Signature {
        keyid: Sha256Digest::of(spki.as_bytes()).to_string(),
        sig: signature.to_bytes().to_vec(),
        x5c: Some(chain_der.iter().cloned().map(Certificate).collect()),
        webauthn: None,
    }))
}

/// Verifies a result as of a time at which the certificate must have been valid: that of its arrival.
///
/// Signatures that do not hold are ignored; if none holds, the first one's error says why.
pub fn verify(
    result: &Parsed<JobResult>,
    authorities: &[AgentAuthority],
    at: Timestamp,
) -> Result<VerifiedResult, ResultError> {
    let mut first = None;
    for signature in result.envelope().signatures() {
        let Some(chain) = signature.x5c.as_ref().filter(|_| signature.webauthn.is_none()) else {
            continue;
        };
        match signed(result, &signature.sig, chain, authorities, at) {
            Ok(verified) => return Ok(verified),
            Err(error) => first = first.or(Some(error)),
        }
    }
    Err(first.unwrap_or(ResultError::Unsigned))
}

fn signed(
    result: &Parsed<JobResult>,
    signature: &[u8],
    chain: &[Certificate],
    authorities: &[AgentAuthority],
    at: Timestamp,
) -> Result<VerifiedResult, ResultError> {
    let [leaf_der, issuers @ ..] = chain else { return Err(ResultError::Chain) };
    if chain.len() > MAX_CHAIN {
        return Err(ResultError::Chain);
    }
    let leaf = Leaf::read(&leaf_der.0)?;
    let signature =
        p256::ecdsa::Signature::from_slice(signature).map_err(|_| ResultError::Signature)?;
    leaf.key.verify(&result.envelope().pae(), &signature).map_err(|_| ResultError::Signature)?;
    leaf.check_names(result.statement())?;
    let domain = leaf.agent.trust_domain();
    let authority = vouching(&leaf_der.0, issuers, domain, authorities, at)?;
    let result_sha256 = result.sha256();
    Ok(VerifiedResult { result: result.statement().clone(), sha256: result_sha256, authority })
}

/// The pinned authority of the chain that the leaf leads to.
fn vouching(
    leaf: &[u8],
    issuers: &[Certificate],
    trust_domain: &str,
    authorities: &[AgentAuthority],
    at: Timestamp,
) -> Result<Sha256Digest, ResultError> {
    let pinned = |spki: &Sha256Digest| {
        authorities.iter().any(|authority| {
            authority.spki_sha256 == *spki
                && authority.trust_domain == trust_domain
                && authority.from <= at
                && at < authority.until
        })
    };
    let mut refused = ResultError::AuthorityUnknown;
    for issuer in issuers {
        let Some(spki) = authority_spki(&issuer.0, at)?.filter(pinned) else { continue };
        match path(leaf, issuers, &issuer.0, at) {
            Ok(()) => return Ok(spki),
            Err(error) => refused = ResultError::Path(error),
        }
    }
    Err(refused)
}

fn path(
    leaf: &[u8],
    issuers: &[Certificate],
    authority: &[u8],
    at: Timestamp,
) -> Result<(), webpki::Error> {
    let leaf = CertificateDer::from(leaf);
    let authority = CertificateDer::from(authority);
    let anchors = [anchor_from_trusted_cert(&authority)?];
    let between: Vec<CertificateDer<'_>> =
        issuers.iter().map(|issuer| CertificateDer::from(issuer.0.as_slice())).collect();
    let seconds = u64::try_from(at.datetime().timestamp()).unwrap_or(0);
    EndEntityCert::try_from(&leaf)?.verify_for_usage(
        ALL_VERIFICATION_ALGS,
        &anchors,
        &between,
        UnixTime::since_unix_epoch(Duration::from_secs(seconds)),
        KeyUsage::client_auth(),
        None,
        None,
    )?;
    Ok(())
}

/// What a leaf says: its key and its one name.
struct Leaf {
    key: VerifyingKey,
    agent: SpiffeId,
}

impl Leaf {
    fn read(der: &[u8]) -> Result<Self, ResultError> {
        let certificate = certificate(der)?;
        let key = VerifyingKey::from_public_key_der(certificate.tbs_certificate.subject_pki.raw)
            .map_err(|_| ResultError::PublicKey)?;
        Ok(Self { key, agent: only_uri(&certificate)?.parse().map_err(|_| ResultError::Name)? })
    }

    fn check_names(&self, result: &JobResult) -> Result<(), ResultError> {
        if self.agent != result.agent {
            return Err(ResultError::OtherAgent {
                certified: self.agent.to_string(),
                claimed: result.agent.to_string(),
            });
        }
        match self.agent.tenant() {
            None => Err(ResultError::Name),
            Some(tenant) if tenant != result.tenant => Err(ResultError::OtherTenant),
            Some(_) => Ok(()),
        }
    }
}

fn certificate(der: &[u8]) -> Result<X509Certificate<'_>, ResultError> {
    match X509Certificate::from_der(der) {
        Ok(([], certificate)) => Ok(certificate),
        _ => Err(ResultError::Chain),
    }
}

fn only_uri<'c>(certificate: &'c X509Certificate<'_>) -> Result<&'c str, ResultError> {
    let names = certificate.subject_alternative_name().map_err(|_| ResultError::Name)?;
    let names = names.ok_or(ResultError::Name)?;
    let mut uris = names.value.general_names.iter().filter_map(|name| match name {
        GeneralName::URI(uri) => Some(*uri),
        _ => None,
    });
    match (uris.next(), uris.next()) {
        (Some(uri), None) => Ok(uri),
        _ => Err(ResultError::Name),
    }
}

/// SHA-256 of the SPKI, if the certificate is an authority's and valid then. webpki takes both of an anchor on trust.
fn authority_spki(der: &[u8], at: Timestamp) -> Result<Option<Sha256Digest>, ResultError> {
    let certificate = certificate(der)?;
    let constraints = certificate.basic_constraints().map_err(|_| ResultError::Chain)?;
    let validity = certificate.validity();
    let seconds = at.datetime().timestamp();
    let valid =
        validity.not_before.timestamp() <= seconds && seconds <= validity.not_after.timestamp();
    let authority = constraints.is_some_and(|constraints| constraints.value.ca);
    let spki = Sha256Digest::of(certificate.tbs_certificate.subject_pki.raw);
    Ok((authority && valid).then_some(spki))
}
