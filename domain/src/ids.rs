//! Typed ids: `TypeID` outside, UUID inside, one list.
//!
//! `UUIDv7` where an id is given, `UUIDv8` where it is derived. Source: PROTOCOL.md "Ids", `TypeID` 0.3.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use type_safe_id::{StaticType, TypeSafeId};
use uuid::Uuid;

/// The text is not an id of the expected type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a {expected} id: expected {expected}_ and 26 characters of lower-case base32")]
pub struct MalformedId {
    /// The prefix that was expected.
    pub expected: &'static str,
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident $tag:ident $prefix:literal;)+) => {$(
        #[derive(Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        struct $tag;

        impl StaticType for $tag {
            const TYPE: &'static str = $prefix;
        }

        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Uuid);

        impl $name {
            /// The prefix of its text form.
            pub const PREFIX: &'static str = $prefix;

            /// From a UUID that the caller made (v7).
            pub fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }

            /// The id derived from a kind and parts, see [`derive()`].
            pub fn derived(kind: &str, parts: &[&str]) -> Self {
                Self(derive(kind, parts))
            }

            /// The UUID inside.
            pub fn uuid(&self) -> Uuid {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&TypeSafeId::<$tag>::from_uuid(self.0), f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = MalformedId;

            fn from_str(text: &str) -> Result<Self, MalformedId> {
                let malformed = || MalformedId { expected: $prefix };
                let id: TypeSafeId<$tag> = text.parse().map_err(|_| malformed())?;
                // One spelling per id: what does not come back as it was written is refused.
                if id.to_string() == text { Ok(Self(id.uuid())) } else { Err(malformed()) }
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                trust::encoding::parsed(deserializer)
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({
                    "type": "string",
                    "pattern": concat!("^", $prefix, "_[0-7][0-9a-hjkmnp-tv-z]{25}$"),
                })
            }
        }
    )+};
}

// Append only: a prefix is released for ever.
ids! {
    /// A change.
    ChangeId ChangeTag "chg";
    /// A data source: exactly one database with its own environment.
    DataSourceId DataSourceTag "dsc";
    /// A schema as introspected.
    SchemaId SchemaTag "sch";
    /// An approval of one revision of a change.
    ApprovalId ApprovalTag "apr";
    /// A job for an agent.
    JobId JobTag "job";
    /// An agent.
    AgentId AgentTag "agt";
    /// A policy.
    PolicyId PolicyTag "pol";
    /// A rollout.
    RolloutId RolloutTag "rlt";
    /// A tenant's trust root.
    TrustRootId TrustRootTag "rot";
    /// A tenant.
    TenantId TenantTag "ten";
    /// A principal: a person, a service or a workflow.
    PrincipalId PrincipalTag "prn";
    /// A log.
    LogId LogTag "log";
    /// A suggestion.
    SuggestionId SuggestionTag "sug";
    /// A notification channel.
    ChannelId ChannelTag "chn";
    /// A notification's delivery.
    DeliveryId DeliveryTag "dlv";
    /// An event.
    EventId EventTag "evt";
    /// A command.
    CommandId CommandTag "cmd";
}

/// The first 16 bytes of BLAKE3 `derive_key("countersign.dev/id/v1", ...)` over the length-prefixed kind and parts,
/// marked as `UUIDv8`. Source: PROTOCOL.md "Derived ids".
pub fn derive(kind: &str, parts: &[&str]) -> Uuid {
    let mut hasher = blake3::Hasher::new_derive_key("countersign.dev/id/v1");
    for part in std::iter::once(&kind).chain(parts) {
        let length = u32::try_from(part.len()).unwrap_or(u32::MAX);
        hasher.update(&length.to_be_bytes()).update(part.as_bytes());
    }
    let mut bytes = [0_u8; 16];
    hasher.finalize_xof().fill(&mut bytes);
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

/// The id of a command: the same tenant, principal, operation and `Idempotency-Key` always give the same one.
pub fn command_id(
    tenant: &str,
    principal: PrincipalId,
    operation: &str,
    idempotency_key: &str,
) -> CommandId {
    CommandId::derived("command", &[tenant, &principal.to_string(), operation, idempotency_key])
}

/// The id of an event, by its place in its aggregate: one key used for commands on two aggregates makes two events,
/// and whoever knows an aggregate knows the ids of its events.
pub fn event_id(
    tenant: &str,
    aggregate_type: &str,
    aggregate_id: &str,
    version: u64,
    index: usize,
) -> EventId {
    let place = [version.to_string(), index.to_string()];
    let [version, index] = &place;
    EventId::derived("event", &[tenant, aggregate_type, aggregate_id, version, index])
}

/// The principal of a service, by its SPIFFE ID.
pub fn service_principal(spiffe_id: &str) -> PrincipalId {
    PrincipalId::derived("principal", &[spiffe_id])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_derived_id_is_a_uuid_of_version_8() {
        let uuid = derive("command", &["acme", "b"]);
        assert_eq!(uuid.get_version_num(), 8);
        assert_eq!(uuid.as_bytes()[8] & 0xc0, 0x80);
        assert_ne!(uuid, derive("command", &["acmeb"]), "parts are length-prefixed");
    }

    #[test]
    fn derived_ids_are_frozen() {
        let id = command_id("acme", service_principal("spiffe://a/b"), "submit_change", "k");
        assert_eq!(id.to_string(), "cmd_3acfswcs6shaa88vgvv1k4at5e");
    }

    #[test]
    fn an_event_is_named_by_its_place() {
        let first = event_id("acme", "change", "chg_a", 1, 0);
        assert_ne!(first, event_id("acme", "change", "chg_b", 1, 0));
        assert_ne!(first, event_id("acme", "change", "chg_a", 1, 1));
        assert_ne!(first, event_id("acme", "change", "chg_a", 2, 0));
    }

    #[test]
    fn an_id_of_another_type_or_spelling_is_refused() {
        let id = JobId::derived("job", &["x"]);
        let text = id.to_string();
        assert_eq!(text.parse::<JobId>().unwrap(), id);
        assert!(text.parse::<ChangeId>().is_err());
        assert!(text.to_uppercase().parse::<JobId>().is_err());
        assert!(format!("{text} ").parse::<JobId>().is_err());
    }
}
