//! Results signed by an agent's certificate: whom to believe, and when.

use crate::scene::{Outcome, Scene, ZEROS, at};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, SanType, date_time_ymd,
};
use trust::dsse::{Certificate, Envelope, Parsed, Signature};
use trust::encoding::Sha256Digest;
use trust::result::{ResultError, VerifiedResult, sign, sign_payload, verify};
use trust::spiffe::SpiffeId;
use trust::statement::{AgentAuthority, JobResult, Outcome as JobOutcome, RootRef, Statement as _};
use x509_parser::prelude::{FromDer as _, X509Certificate};

const AGENT: &str = "spiffe://example.org/tenant/acme/agent/lisbon";

type Authority = CertifiedIssuer<'static, KeyPair>;

/// A certificate authority, valid through 2026.
fn authority(path: BasicConstraints) -> Outcome<Authority> {
    Ok(CertifiedIssuer::self_signed(authority_params(path)?, KeyPair::generate()?)?)
}

fn authority_params(path: BasicConstraints) -> Outcome<CertificateParams> {
    let mut params = CertificateParams::new(Vec::<String>::new())?;
    params.is_ca = IsCa::Ca(path);
    params.not_before = date_time_ymd(2026, 1, 1);
    params.not_after = date_time_ymd(2026, 12, 31);
    Ok(params)
}

/// A leaf for November 2026 with these URI names: its key and its certificate.
fn leaf(issuer: &Authority, uris: &[&str]) -> Outcome<(Vec<u8>, Vec<u8>)> {
    let mut params = CertificateParams::new(Vec::<String>::new())?;
    for uri in uris {
        params.subject_alt_names.push(SanType::URI((*uri).try_into()?));
    }
    params.not_before = date_time_ymd(2026, 11, 1);
    params.not_after = date_time_ymd(2026, 11, 30);
    let key = KeyPair::generate()?;
    let certificate = params.signed_by(&key, issuer)?;
    Ok((key.serialize_der(), certificate.der().to_vec()))
}

fn pin(issuer: &Authority) -> Outcome<AgentAuthority> {
    let (_, certificate) = X509Certificate::from_der(issuer.der())?;
    Ok(AgentAuthority {
        trust_domain: "example.org".to_owned(),
        spki_sha256: Sha256Digest::of(certificate.tbs_certificate.subject_pki.raw),
        from: at(-86_400)?,
        until: at(86_400)?,
    })
}

fn result() -> Outcome<JobResult> {
    let Scene { job, .. } = Scene::new()?;
    Ok(JobResult {
        tenant: job.tenant,
        agent: AGENT.parse()?,
        data_source: job.data_source,
        job: job.job,
        attempt: 1,
        fence: 7,
        job_sha256: ZEROS.parse()?,
        change_sha256: Some(ZEROS.parse()?),
        root: RootRef { version: 3, sha256: ZEROS.parse()? },
        mode: job.mode,
        outcome: JobOutcome::FailedClean,
        refusal: None,
        counted: vec![],
        started_at: at(0)?,
        finished_at: at(1)?,
        steps: vec![],
        fingerprint_before: None,
        fingerprint_after: None,
    })
}

/// A signed result whose every part can be replaced.
struct Evidence {
    issuer: Authority,
    authorities: Vec<AgentAuthority>,
    envelope: Envelope,
}

impl Evidence {
    fn new() -> Outcome<Self> {
        let issuer = authority(BasicConstraints::Unconstrained)?;
        let (key, certificate) = leaf(&issuer, &[AGENT])?;
        let envelope = sign(&result()?, &key, &[certificate, issuer.der().to_vec()])?;
        Ok(Self { authorities: vec![pin(&issuer)?], issuer, envelope })
    }

    fn verify(&self) -> Outcome<Result<VerifiedResult, ResultError>> {
        self.verify_at(10)
    }

    fn verify_at(&self, seconds: i64) -> Outcome<Result<VerifiedResult, ResultError>> {
        let result = Parsed::from_envelope(self.envelope.clone())?;
        Ok(verify(&result, &self.authorities, at(seconds)?))
    }

    /// Rebuilds the envelope with one part of its signature changed.
    fn resign(&mut self, change: impl Fn(&mut Signature)) {
        let old = self.envelope.clone();
        let fresh = Envelope::around_payload(old.payload_type(), old.payload().to_vec());
        self.envelope = old.signatures().iter().cloned().fold(fresh, |envelope, mut signature| {
            change(&mut signature);
            envelope.with_signature(signature)
        });
    }
}

#[test]
fn a_result_under_a_pinned_authority_is_the_agents_word() {
    let evidence = Evidence::new().unwrap();
    let verified = evidence.verify().unwrap().unwrap();
    assert_eq!(verified.result(), &result().unwrap());
    assert_eq!(verified.sha256(), evidence.envelope.payload_sha256());
    assert_eq!(verified.authority(), evidence.authorities[0].spki_sha256);
    assert_eq!(evidence.envelope.signatures()[0].sig.len(), 64);
}

#[test]
fn an_authority_counts_only_if_pinned_for_this_trust_domain_and_time() {
    let spoilt = |spoil: fn(&mut AgentAuthority)| {
        let mut evidence = Evidence::new().unwrap();
        spoil(&mut evidence.authorities[0]);
        evidence.verify().unwrap().unwrap_err()
    };
    assert_eq!(spoilt(|a| a.spki_sha256 = ZEROS.parse().unwrap()), ResultError::AuthorityUnknown);
    assert_eq!(spoilt(|a| a.trust_domain = "example.net".into()), ResultError::AuthorityUnknown);
    assert_eq!(spoilt(|a| a.until = at(10).unwrap()), ResultError::AuthorityUnknown);
    assert_eq!(spoilt(|a| a.from = at(11).unwrap()), ResultError::AuthorityUnknown);
    let mut evidence = Evidence::new().unwrap();
    evidence.resign(|s| {
        if let Some(chain) = &mut s.x5c {
            chain.truncate(1);
        }
    });
    assert_eq!(evidence.verify().unwrap(), Err(ResultError::AuthorityUnknown));
}

#[test]
fn a_chain_that_does_not_lead_to_the_pinned_authority_is_refused() {
    let mut evidence = Evidence::new().unwrap();
    let impostor = authority(BasicConstraints::Unconstrained).unwrap();
    let (key, certificate) = leaf(&impostor, &[AGENT]).unwrap();
    let chain = [certificate, evidence.issuer.der().to_vec()];
    evidence.envelope = sign(&result().unwrap(), &key, &chain).unwrap();
    assert!(matches!(evidence.verify().unwrap(), Err(ResultError::Path(_))));
}

#[test]
fn a_chain_through_an_intermediate_is_followed_and_a_leaf_is_no_issuer() {
    let mut evidence = Evidence::new().unwrap();
    let params = authority_params(BasicConstraints::Constrained(0)).unwrap();
    let between =
        CertifiedIssuer::signed_by(params, KeyPair::generate().unwrap(), &evidence.issuer).unwrap();
    let (key, certificate) = leaf(&between, &[AGENT]).unwrap();
    let chain = [certificate, between.der().to_vec(), evidence.issuer.der().to_vec()];
    evidence.envelope = sign(&result().unwrap(), &key, &chain).unwrap();
    assert!(evidence.verify().unwrap().is_ok());

    let mut plain = authority_params(BasicConstraints::Unconstrained).unwrap();
    plain.is_ca = IsCa::ExplicitNoCa;
    let no_issuer =
        CertifiedIssuer::signed_by(plain, KeyPair::generate().unwrap(), &evidence.issuer).unwrap();
    let (key, certificate) = leaf(&no_issuer, &[AGENT]).unwrap();
    let chain = [certificate, no_issuer.der().to_vec(), evidence.issuer.der().to_vec()];
    evidence.envelope = sign(&result().unwrap(), &key, &chain).unwrap();
    assert!(matches!(evidence.verify().unwrap(), Err(ResultError::Path(_))));
    evidence.authorities.push(pin(&no_issuer).unwrap());
    assert!(matches!(evidence.verify().unwrap(), Err(ResultError::Path(_))));
}

#[test]
fn a_certificate_must_be_valid_when_the_result_arrives() {
    let mut evidence = Evidence::new().unwrap();
    evidence.authorities[0].until = at(1_000 * 86_400).unwrap();
    assert!(evidence.verify_at(0).unwrap().is_ok());
    let later = evidence.verify_at(20 * 86_400).unwrap();
    assert!(matches!(later, Err(ResultError::Path(webpki::Error::CertExpired { .. }))));
    let authority_over = evidence.verify_at(60 * 86_400).unwrap();
    assert_eq!(authority_over, Err(ResultError::AuthorityUnknown));
}

#[test]
fn a_certificate_must_name_exactly_the_agent_of_the_result() {
    let issuer = authority(BasicConstraints::Unconstrained).unwrap();
    let signed = |uris: &[&str], result: &JobResult| {
        let (key, certificate) = leaf(&issuer, uris).unwrap();
        sign(result, &key, &[certificate, issuer.der().to_vec()]).map(|_| ())
    };
    let good = result().unwrap();
    assert_eq!(signed(&[AGENT], &good), Ok(()));
    assert_eq!(signed(&[], &good), Err(ResultError::Name));
    assert_eq!(signed(&[AGENT, AGENT], &good), Err(ResultError::Name));
    assert_eq!(signed(&["https://example.org/"], &good), Err(ResultError::Name));
    let porto = "spiffe://example.org/tenant/acme/agent/porto";
    assert!(matches!(signed(&[porto], &good), Err(ResultError::OtherAgent { .. })));
    let service: SpiffeId = "spiffe://example.org/countersign/workflows".parse().unwrap();
    let by_service = JobResult { agent: service.clone(), ..good.clone() };
    assert_eq!(signed(&[service.as_str()], &by_service), Err(ResultError::Name));
    let umbra = JobResult { tenant: "umbra".parse().unwrap(), ..good };
    assert_eq!(signed(&[AGENT], &umbra), Err(ResultError::OtherTenant));
}

#[test]
fn verification_looks_at_the_names_again() {
    let mut evidence = Evidence::new().unwrap();
    let (key, certificate) = leaf(&evidence.issuer, &[AGENT]).unwrap();
    let mut claimed = result().unwrap();
    claimed.agent = "spiffe://example.org/tenant/acme/agent/porto".parse().unwrap();
    evidence.envelope = by_hand(&claimed, &key, &[certificate, evidence.issuer.der().to_vec()]);
    assert!(matches!(evidence.verify().unwrap(), Err(ResultError::OtherAgent { .. })));
}

/// Signs without the checks of [`sign`], as a dishonest agent would.
fn by_hand(result: &JobResult, pkcs8: &[u8], chain: &[Vec<u8>]) -> Envelope {
    use p256::ecdsa::signature::Signer as _;
    use p256::pkcs8::DecodePrivateKey as _;
    let envelope = Envelope::around(result).ok();
    let key = p256::ecdsa::SigningKey::from_pkcs8_der(pkcs8).ok();
    let sig = envelope.as_ref().zip(key).map(|(envelope, key)| {
        let signature: p256::ecdsa::Signature = key.sign(&envelope.pae());
        signature.to_bytes().to_vec()
    });
    envelope.unwrap_or(Envelope::around_payload("", vec![])).with_signature(Signature {
        keyid: String::new(),
        sig: sig.unwrap_or_default(),
        x5c: Some(chain.iter().cloned().map(Certificate).collect()),
        webauthn: None,
    })
}

#[test]
fn a_broken_signature_is_ignored_and_one_that_holds_is_enough() {
    let good = Evidence::new().unwrap();
    let mut broken = Evidence::new().unwrap();
    broken.resign(|s| s.sig[5] ^= 1);
    assert_eq!(broken.verify().unwrap(), Err(ResultError::Signature));
    broken.resign(|s| s.sig.truncate(63));
    assert_eq!(broken.verify().unwrap(), Err(ResultError::Signature));
    broken.resign(|s| s.x5c = Some(vec![Certificate(vec![1, 2, 3])]));
    assert_eq!(broken.verify().unwrap(), Err(ResultError::Chain));
    broken.resign(|s| s.x5c = None);
    assert_eq!(broken.verify().unwrap(), Err(ResultError::Unsigned));
    let both = broken.envelope.with_signatures_of(&good.envelope).unwrap();
    let both = Evidence { envelope: both, ..good };
    assert!(both.verify().unwrap().is_ok());
}

#[test]
fn a_changed_payload_is_not_the_agents_word() {
    let mut evidence = Evidence::new().unwrap();
    let changed = JobResult { outcome: JobOutcome::Succeeded, ..result().unwrap() };
    let payload = changed.to_payload().unwrap();
    let fresh = Envelope::around_payload(JobResult::PAYLOAD_TYPE, payload);
    let signature = evidence.envelope.signatures()[0].clone();
    evidence.envelope = fresh.with_signature(signature);
    assert_eq!(evidence.verify().unwrap(), Err(ResultError::Signature));
}

#[test]
fn a_key_signs_only_under_its_own_certificate() {
    let issuer = authority(BasicConstraints::Unconstrained).unwrap();
    let (_, certificate) = leaf(&issuer, &[AGENT]).unwrap();
    let (other_key, _) = leaf(&issuer, &[AGENT]).unwrap();
    let payload = result().unwrap().to_payload().unwrap();
    let chain = [certificate, issuer.der().to_vec()];
    let signed = sign_payload(payload.clone(), &other_key, &chain).map(|_| ());
    assert_eq!(signed, Err(ResultError::OtherKey));
    assert_eq!(
        sign_payload(payload.clone(), b"x", &chain).map(|_| ()),
        Err(ResultError::PrivateKey)
    );
    assert_eq!(sign_payload(payload, &other_key, &[]).map(|_| ()), Err(ResultError::Chain));
}
