//! How values of the crates below look in the JSON Schemas of events.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use std::borrow::Cow;

macro_rules! shapes {
    ($($(#[$doc:meta])* $name:ident = $schema:tt;)+) => {$(
        $(#[$doc])*
        pub struct $name;

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    )+};
}

shapes! {
    /// 64 lower-case hexadecimal digits of a SHA-256.
    Digest = {"type": "string", "pattern": "^[0-9a-f]{64}$"};
    /// RFC 3339 UTC with six decimals and `Z`.
    Time = {"type": "string", "format": "date-time", "pattern": "^.{10}T.{8}\\.[0-9]{6}Z$"};
    /// A content-addressed blob.
    Blob = {
        "type": "object",
        "properties": {"$blob": {
            "type": "object",
            "properties": {
                "sha256": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
                "size": {"type": "integer", "minimum": 0},
                "media_type": {"type": "string"}
            },
            "required": ["sha256", "size", "media_type"]
        }},
        "required": ["$blob"]
    };
    /// What a key of a log is for.
    KeyRole = {"type": "string", "enum": ["writer", "log", "witness"]};
    /// Base64 of an Ed25519 key's SPKI DER.
    Spki = {"type": "string", "pattern": "^[0-9A-Za-z+/]{59}=$"};
    /// A rotation with the signatures of the old and the new key.
    Rotation = {
        "type": "object",
        "properties": {
            "log": {"type": "string", "pattern": "^[a-z0-9][a-z0-9.-]{0,126}$"},
            "role": {"type": "string", "enum": ["writer", "log", "witness"]},
            "name": {"type": ["string", "null"]},
            "old": {"type": "string", "pattern": "^[0-9A-Za-z+/]{59}=$"},
            "new": {"type": "string", "pattern": "^[0-9A-Za-z+/]{59}=$"},
            "from": {"type": "integer", "minimum": 2},
            "old_signature": {"type": "string"},
            "new_signature": {"type": "string"}
        },
        "required": ["log", "role", "name", "old", "new", "from", "old_signature", "new_signature"]
    };
    /// Any JSON object, kept as it was signed.
    Object = {"type": "object"};
}
