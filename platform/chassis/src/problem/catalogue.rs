//! The problems that the chassis itself answers, one line each.

crate::problems! {
    AUTH_MISSING = "auth.missing", 401, "the request does not say who is calling";
    AUTH_INVALID_TOKEN = "auth.invalid_token", 401, "the token is malformed, unknown, revoked or expired";
    AUTH_TOKEN_REFUSED = "auth.token_refused", 401, "bearer tokens are for development only: this process accepts none";
    AUTH_FORBIDDEN = "auth.forbidden", 403, "the caller may not do this";
    AUTH_WRONG_TENANT = "auth.wrong_tenant", 403, "the caller belongs to another tenant";
    TENANT_MISSING = "http.tenant_missing", 400, "a service says for which tenant it acts in the header Cs-Tenant";
    TENANT_MALFORMED = "http.tenant_malformed", 400, "the header Cs-Tenant is not a tenant's slug";
    LOG_UNAVAILABLE = "log.unavailable", 503, "the log cannot be reached or is not the one that this process knows";
    LOG_CONFLICT = "log.conflict", 409, "somebody else changed the same thing at the same time: read it again";
    INTERNAL = "internal", 500, "the server failed; its log has the reason under this trace id";
    NOT_FOUND = "http.not_found", 404, "there is no such route";
    METHOD_NOT_ALLOWED = "http.method_not_allowed", 405, "the route does not have this method";
    BODY_TIMEOUT = "http.body_timeout", 408, "the request body did not arrive in time";
    BODY_INCOMPLETE = "http.body_incomplete", 400, "the request body ended early";
    BODY_TOO_LARGE = "http.body_too_large", 413, "the request body is larger than this route accepts";
    UNSUPPORTED_MEDIA_TYPE = "http.unsupported_media_type", 415, "the request body is not application/json";
    MALFORMED_JSON = "http.malformed_json", 400, "the request body is not strict JSON";
    INVALID_BODY = "http.invalid_body", 422, "the request body does not have the expected members";
    MALFORMED_ID = "http.malformed_id", 400, "an id in the path is malformed";
    INVALID_QUERY = "http.invalid_query", 400, "the query string has unknown, repeated or malformed parameters";
    IDEMPOTENCY_KEY_MISSING = "http.idempotency_key_missing", 400, "the header Idempotency-Key is missing";
    IDEMPOTENCY_KEY_MALFORMED = "http.idempotency_key_malformed", 400, "the header Idempotency-Key is not 1 to 255 visible ASCII characters";
    TIMEOUT = "http.timeout", 503, "the request took too long; whether it had an effect is unknown: repeat it with the same Idempotency-Key";
    OVERLOADED = "http.overloaded", 503, "the server has too many requests in flight";
}
