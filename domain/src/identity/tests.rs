//! Given, when, then: tenants, principals, trust roots.

use super::principal::MAX_TOKENS;
use super::*;
use crate::given::{at, blob, by, digest};
use cqrs_es::test::TestFramework;
use trust::encoding::Sha256Digest;

fn tenant(slug: &str) -> TenantCreated {
    TenantCreated { slug: slug.to_owned(), name: "Acme".to_owned(), shard: "main".to_owned() }
}

fn person() -> PrincipalCreated {
    PrincipalCreated { kind: PrincipalKind::Person, name: "Ada".into(), roles: vec![Role::Author] }
}

fn token(secret: &str) -> Token {
    Token {
        token_sha256: digest(secret.as_bytes()),
        expires_at: "2026-11-21T07:00:00.000000Z".parse().unwrap(),
    }
}

fn root(version: u64) -> RootPublished {
    RootPublished { version, sha256: digest(&version.to_be_bytes()), envelope: blob(b"{}") }
}

fn revoke(token_sha256: Sha256Digest) -> PrincipalCommand {
    PrincipalCommand::RevokeToken { token_sha256 }
}

#[test]
fn a_slug_is_taken_once() {
    let framework = TestFramework::<Tenant>::with;
    framework(())
        .given_no_previous_events()
        .when(by("ops", TenantCommand::Create(tenant("acme"))))
        .then_expect_events(vec![TenantEvent::Created(tenant("acme"))]);
    framework(())
        .given(vec![TenantEvent::Created(tenant("acme"))])
        .when(by("ops", TenantCommand::Create(tenant("acme"))))
        .then_expect_error(TenantError::AlreadyExists);
    framework(())
        .given_no_previous_events()
        .when(by("ops", TenantCommand::Create(tenant("system"))))
        .then_expect_error(TenantError::Reserved);
}

#[test]
fn a_principal_is_created_once() {
    let principal = TestFramework::<Principal>::with;
    principal(())
        .given_no_previous_events()
        .when(by("ops", PrincipalCommand::Create(person())))
        .then_expect_events(vec![PrincipalEvent::Created(person())]);
    principal(())
        .given(vec![PrincipalEvent::Created(person())])
        .when(by("ops", PrincipalCommand::Create(person())))
        .then_expect_error(PrincipalError::AlreadyExists);
    principal(())
        .given_no_previous_events()
        .when(by("ops", PrincipalCommand::IssueToken(token("t"))))
        .then_expect_error(PrincipalError::NotFound);
}

#[test]
fn a_token_is_issued_once_and_revoked_once() {
    let principal = TestFramework::<Principal>::with;
    let created = PrincipalEvent::Created(person());
    let issued = PrincipalEvent::TokenIssued(token("t"));
    principal(())
        .given(vec![created.clone()])
        .when(by("ops", PrincipalCommand::IssueToken(token("t"))))
        .then_expect_events(vec![issued.clone()]);
    principal(())
        .given(vec![created.clone(), issued.clone()])
        .when(by("ops", PrincipalCommand::IssueToken(token("t"))))
        .then_expect_error(PrincipalError::TokenKnown);
    let revoked = PrincipalEvent::TokenRevoked { token_sha256: digest(b"t") };
    principal(())
        .given(vec![created.clone(), issued.clone()])
        .when(by("ops", revoke(digest(b"t"))))
        .then_expect_events(vec![revoked.clone()]);
    principal(())
        .given(vec![created.clone(), issued.clone(), revoked.clone()])
        .when(by("ops", revoke(digest(b"t"))))
        .then_expect_error(PrincipalError::TokenUnknown);
    principal(())
        .given(vec![created, issued, revoked])
        .when(by("ops", PrincipalCommand::IssueToken(token("t"))))
        .then_expect_error(PrincipalError::TokenKnown);
}

#[test]
fn expired_tokens_make_room() {
    let principal = TestFramework::<Principal>::with;
    let mut story = vec![PrincipalEvent::Created(person())];
    story.extend((0..MAX_TOKENS).map(|n| PrincipalEvent::TokenIssued(token(&n.to_string()))));
    principal(())
        .given(story.clone())
        .when(by("ops", PrincipalCommand::IssueToken(token("t"))))
        .then_expect_error(PrincipalError::TooManyTokens);
    principal(())
        .given(story)
        .when(at("2026-11-21T07:00:00.000000Z", "ops", PrincipalCommand::IssueToken(token("t"))))
        .then_expect_events(vec![PrincipalEvent::TokenIssued(token("t"))]);
}

#[test]
fn a_token_is_accepted_until_it_expires() {
    let mut principal = Principal::default();
    cqrs_es::Aggregate::apply(&mut principal, PrincipalEvent::TokenIssued(token("t")));
    let before = "2026-11-21T06:59:59.999999Z".parse().unwrap();
    let after = "2026-11-21T07:00:00.000000Z".parse().unwrap();
    assert!(principal.accepts(digest(b"t"), before));
    assert!(!principal.accepts(digest(b"t"), after));
    assert!(!principal.accepts(digest(b"u"), before));
}

#[test]
fn root_versions_follow_each_other_without_a_gap() {
    let framework = TestFramework::<TrustRoot>::with;
    framework(())
        .given_no_previous_events()
        .when(by("ops", TrustRootCommand::Publish(root(1))))
        .then_expect_events(vec![TrustRootEvent::Published(root(1))]);
    for version in [1, 3] {
        framework(())
            .given(vec![TrustRootEvent::Published(root(1))])
            .when(by("ops", TrustRootCommand::Publish(root(version))))
            .then_expect_error(TrustRootError::NotNext);
    }
}
