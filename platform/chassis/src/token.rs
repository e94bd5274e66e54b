//! Bearer tokens of people: `cst_<tenant>_<26 characters of the principal's id>_<64 hex secret>`.
//!
//! The prefix lets secret scanners find them. A server keeps only the SHA-256 of the whole text.

use domain::ids::PrincipalId;
use std::fmt;
use trust::encoding::{Sha256Digest, lower_hex_32};

const PREFIX: &str = "cst";

/// The text is not a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a token: expected cst_<tenant>_<principal>_<64 hexadecimal digits>")]
pub struct MalformedToken;

/// A bearer token. It is a secret: `Debug` shows only whose it is.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    text: String,
    tenant: String,
    principal: PrincipalId,
}

impl Token {
    /// Makes the token of a principal; `secret` comes from a cryptographic random source.
    pub fn generate(tenant: &str, principal: PrincipalId, secret: &[u8; 32]) -> Self {
        let id = principal.to_string();
        let suffix = id.strip_prefix("prn_").unwrap_or(&id);
        // A digest prints any 32 bytes as lower-case hex.
        let secret = Sha256Digest::from_bytes(*secret);
        let text = format!("{PREFIX}_{tenant}_{suffix}_{secret}");
        Self { text, tenant: tenant.to_owned(), principal }
    }

    /// Reads a token in its only spelling.
    pub fn parse(text: &str) -> Result<Self, MalformedToken> {
        let parts: Vec<&str> = text.split('_').collect();
        let [PREFIX, tenant, suffix, secret] = parts.as_slice() else {
            return Err(MalformedToken);
        };
        if !trust::names::is_slug(tenant) || lower_hex_32(secret).is_none() {
            return Err(MalformedToken);
        }
        let principal = format!("prn_{suffix}").parse().map_err(|_| MalformedToken)?;
        Ok(Self { text: text.to_owned(), tenant: (*tenant).to_owned(), principal })
    }

    /// The slug of the tenant.
    pub fn tenant(&self) -> &str {
        &self.tenant
    }

    /// Whose it is.
    pub fn principal(&self) -> PrincipalId {
        self.principal
    }

    /// What a server stores and compares: SHA-256 of the whole text.
    pub fn sha256(&self) -> Sha256Digest {
        Sha256Digest::of(self.text.as_bytes())
    }

    /// The secret text itself, to hand to its owner.
    pub fn expose(&self) -> &str {
        &self.text
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({} of {}, secret not shown)", self.principal, self.tenant)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_token_is_read_in_its_only_spelling_or_refused(
            text: String, near in "cst_[a-z0-9-]{1,8}_[0-9a-z]{26}_[0-9a-f]{64}",
        ) {
            for text in [text, near] {
                if let Ok(token) = Token::parse(&text) {
                    prop_assert_eq!(token.expose(), &text);
                    let debugged = format!("{token:?}");
                    prop_assert!(!debugged.contains(&text), "the secret is shown");
                }
            }
        }
    }

    #[test]
    fn a_token_has_one_spelling() {
        let principal = PrincipalId::derived("principal", &["ada"]);
        let token = Token::generate("acme-eu", principal, &[0xab; 32]);
        let text = token.expose().to_owned();
        assert_eq!(Token::parse(&text), Ok(token.clone()));
        assert_eq!((token.tenant(), token.principal()), ("acme-eu", principal));
        assert_eq!(token.sha256(), Sha256Digest::of(text.as_bytes()));
        let mut wrong = vec![
            String::new(),
            text.to_uppercase(),
            format!(" {text}"),
            format!("{text}0"),
            format!("{text}_"),
            text.replace("cst_", "cSt_"),
            text.replace("acme-eu", "Acme"),
            text.replace("acme-eu", ""),
            text.replace("abab", "ABAB"),
        ];
        wrong.push(text.chars().take(text.len() - 1).collect());
        for wrong in wrong {
            assert_eq!(Token::parse(&wrong), Err(MalformedToken), "{wrong}");
        }
    }

    #[test]
    fn debug_never_shows_the_secret() {
        let token =
            Token::generate("acme", PrincipalId::derived("principal", &["ada"]), &[0xcd; 32]);
        let shown = format!("{token:?}");
        assert!(shown.contains("acme") && !shown.contains("cdcd"), "{shown}");
    }
}
