//! Signs answers with the certificate of the moment.
//!
//! `x5c` is the leaf's chain and the authority of our own bundle that issued it: a verifier hashes that authority's
//! key. Which one it is, verifying the result itself tells.

use crate::answer::Answer;
use spiffe::{BundleSource as _, TrustDomain, X509Source};
use trust::dsse::{EnvelopeError, Parsed};
use trust::encoding::{Sha256Digest, Timestamp};
use trust::message::{MessageError, ResultMessage};
use trust::result::{self, ResultError, sign_payload};
use trust::statement::{AgentAuthority, JobResult};
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// Why an answer cannot be signed now.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// The Workload API gives no certificate any more.
    #[error("there is no certificate to sign with")]
    Source(#[from] spiffe::X509SourceError),
    /// The trust domain of our own id is not one.
    #[error("our own trust domain is not one")]
    TrustDomain(#[from] spiffe::SpiffeIdError),
    /// The bundle has no authority that issued our certificate.
    #[error("no authority of our own bundle issued our certificate")]
    NoAuthority,
    /// The signature cannot be made.
    #[error("the result cannot be signed")]
    Result(#[from] ResultError),
    /// The signed result is no envelope.
    #[error("the signed result is no envelope")]
    Envelope(#[from] EnvelopeError),
    /// The message cannot be written.
    #[error("the result's message cannot be written")]
    Message(#[from] MessageError),
}

/// A certificate with its key and the authorities that may have issued it.
pub struct Credentials {
    /// PKCS#8 DER of the leaf's P-256 key.
    pub key: Vec<u8>,
    /// DER, leaf first, without the authority.
    pub chain: Vec<Vec<u8>>,
    /// DER of the trust domain's authorities.
    pub authorities: Vec<Vec<u8>>,
    /// The trust domain.
    pub trust_domain: String,
}

impl Credentials {
    /// Those of this moment.
    pub fn current(source: &X509Source) -> Result<Self, SignError> {
        let svid = source.svid()?;
        let domain: &TrustDomain = svid.spiffe_id().trust_domain();
        let bundle = source.bundle_for_trust_domain(domain)?.ok_or(SignError::NoAuthority)?;
        let bytes = |certificate: &spiffe::cert::Certificate| certificate.as_bytes().to_vec();
        Ok(Self {
            key: svid.private_key().as_bytes().to_vec(),
            chain: svid.cert_chain().iter().map(bytes).collect(),
            authorities: bundle.authorities().iter().map(bytes).collect(),
            trust_domain: domain.to_string(),
        })
    }

    /// The message for the result's subject. A document that would make it too long is left out: the fingerprint stays.
    pub fn sign(&self, answer: &Answer, now: Timestamp) -> Result<Vec<u8>, SignError> {
        for authority in &self.authorities {
            let chain: Vec<Vec<u8>> = self.chain.iter().chain([authority]).cloned().collect();
            let envelope = sign_payload(answer.payload.clone(), &self.key, &chain)?;
            let Ok(result) = Parsed::<JobResult>::from_envelope(envelope) else { continue };
            if self.issued_by(authority, &result, now) {
                return message(result, answer);
            }
        }
        Err(SignError::NoAuthority)
    }

    fn issued_by(&self, authority: &[u8], result: &Parsed<JobResult>, now: Timestamp) -> bool {
        let Ok((_, certificate)) = X509Certificate::from_der(authority) else { return false };
        let pinned = AgentAuthority {
            trust_domain: self.trust_domain.clone(),
            spki_sha256: Sha256Digest::of(certificate.tbs_certificate.subject_pki.raw),
            from: now.plus_seconds(-1),
            until: now.plus_seconds(1),
        };
        result::verify(result, &[pinned], now).is_ok()
    }
}

fn message(result: Parsed<JobResult>, answer: &Answer) -> Result<Vec<u8>, SignError> {
    let mut message = ResultMessage { result, document: answer.document.clone() };
    match message.to_json() {
        Err(MessageError::TooLong) => {
            tracing::warn!(job.id = %answer.job, "the schema's document is too long to be sent");
            message.document = None;
            Ok(message.to_json()?)
        }
        written => Ok(written?),
    }
}
