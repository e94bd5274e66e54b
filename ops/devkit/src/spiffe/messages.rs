//! The X.509 messages of the SPIFFE Workload API (`workload.proto` of its specification), by
//! hand: two calls do not need a code generator.

use std::collections::HashMap;

/// Asks for the caller's SVIDs.
#[derive(Clone, PartialEq, prost::Message)]
pub struct X509SvidRequest {}

/// The caller's SVIDs and the bundles of federated trust domains.
#[derive(Clone, PartialEq, prost::Message)]
pub struct X509SvidResponse {
    /// The SVIDs.
    #[prost(message, repeated, tag = "1")]
    pub svids: Vec<X509Svid>,
    /// Revocation lists, DER.
    #[prost(bytes = "vec", repeated, tag = "2")]
    pub crl: Vec<Vec<u8>>,
    /// Bundles of other trust domains, DER certificates by trust domain id.
    #[prost(map = "string, bytes", tag = "3")]
    pub federated_bundles: HashMap<String, Vec<u8>>,
}

/// One SVID.
#[expect(clippy::struct_field_names, reason = "the names of the specification")]
#[derive(Clone, PartialEq, prost::Message)]
pub struct X509Svid {
    /// The SPIFFE ID.
    #[prost(string, tag = "1")]
    pub spiffe_id: String,
    /// Certificate chain, DER, leaf first.
    #[prost(bytes = "vec", tag = "2")]
    pub x509_svid: Vec<u8>,
    /// Private key, PKCS#8 DER.
    #[prost(bytes = "vec", tag = "3")]
    pub x509_svid_key: Vec<u8>,
    /// Bundle of its trust domain, DER.
    #[prost(bytes = "vec", tag = "4")]
    pub bundle: Vec<u8>,
    /// Which SVID to take if there are several.
    #[prost(string, tag = "5")]
    pub hint: String,
}

/// Asks for the bundles alone.
#[derive(Clone, PartialEq, prost::Message)]
pub struct X509BundlesRequest {}

/// Bundles by trust domain id.
#[derive(Clone, PartialEq, prost::Message)]
pub struct X509BundlesResponse {
    /// Revocation lists, DER.
    #[prost(bytes = "vec", repeated, tag = "1")]
    pub crl: Vec<Vec<u8>>,
    /// DER certificates by trust domain id.
    #[prost(map = "string, bytes", tag = "2")]
    pub bundles: HashMap<String, Vec<u8>>,
}
