//! Answers signed by a certificate, as a verifier sees them.

use crate::site::{DOMAIN, SQL, Site, now};
use countersign_agent::signer::{Credentials, SignError};
use devkit::folder::Temporary;
use devkit::spiffe::Authority;
use std::time::Duration;
use trust::message::ResultMessage;
use trust::result::verify;
use trust::statement::AgentAuthority;

fn credentials(authority: &Authority, authorities: &[&Authority]) -> anyhow::Result<Credentials> {
    let id = devkit::identities::agent("acme", "edge-1")?;
    let svid = authority.issue(&id, Duration::from_hours(1))?;
    Ok(Credentials {
        key: svid.key_der.clone(),
        chain: vec![svid.certificate_der.clone()],
        authorities: authorities.iter().map(|a| a.certificate_der().to_vec()).collect(),
        trust_domain: DOMAIN.to_owned(),
    })
}

#[tokio::test]
async fn a_signed_answer_verifies_against_the_pinned_authority_alone() {
    let site = Site::start("signed", "").await.unwrap();
    let told = site.migrate("signed", SQL, 1).await.unwrap();
    let folder = Temporary::make().unwrap();
    let open = |name: &str| Authority::open(&folder.path().join(name), DOMAIN);
    let (ours, other) = (open("ours").unwrap(), open("other").unwrap());
    let credentials = credentials(&ours, &[&other, &ours]).unwrap();
    let signed = credentials.sign(&told.answer, now()).unwrap();
    let message = ResultMessage::parse(&signed).unwrap();
    assert_eq!(message.document, told.answer.document);
    let pinned = |authority: &Authority| {
        anyhow::Ok(AgentAuthority {
            trust_domain: DOMAIN.to_owned(),
            spki_sha256: authority.spki_sha256().parse()?,
            from: now().plus_seconds(-60),
            until: now().plus_seconds(60),
        })
    };
    let verified = verify(&message.result, &[pinned(&ours).unwrap()], now()).unwrap();
    assert_eq!(verified.result(), &told.result);
    assert!(verify(&message.result, &[pinned(&other).unwrap()], now()).is_err());
}

#[tokio::test]
async fn a_bundle_without_our_issuer_signs_nothing() {
    let site = Site::start("unsigned", "").await.unwrap();
    let told = site.introspect().await.unwrap();
    let folder = Temporary::make().unwrap();
    let open = |name: &str| Authority::open(&folder.path().join(name), DOMAIN);
    let (ours, other) = (open("ours").unwrap(), open("other").unwrap());
    let refused = credentials(&ours, &[&other]).unwrap().sign(&told.answer, now());
    assert!(matches!(refused, Err(SignError::NoAuthority)));
}
