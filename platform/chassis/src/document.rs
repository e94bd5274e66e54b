//! What every route of an API has in common, written into its `OpenAPI` document once: headers, problems, identity.

use crate::problem::Problem;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use utoipa::IntoResponses as _;
use utoipa::openapi::header::Header as ApiHeader;
use utoipa::openapi::path::{Operation, Parameter};
use utoipa::openapi::{Components, OpenApi, Ref, RefOr};

const PROBLEM: &str = "Problem";

/// A header of every request or of every success.
#[derive(Debug, Clone, Copy)]
pub struct Header {
    /// Its name.
    pub name: &'static str,
    /// Whether it must be there.
    pub required: bool,
    /// A regular expression that its value matches.
    pub pattern: &'static str,
    /// For people.
    pub description: &'static str,
}

/// What every route of one API has in common.
#[derive(Debug, Clone, Copy)]
pub struct Shared<'a> {
    /// Headers that requests may or must have.
    pub request: &'a [Header],
    /// Headers that successes have.
    pub answer: &'a [Header],
    /// Statuses of the problems that any route may answer.
    pub problems: &'a [u16],
}

/// Adds to a document what its routes have in common.
pub fn complete(document: &mut OpenApi, shared: Shared<'_>) -> serde_json::Result<()> {
    let components = document.components.get_or_insert_with(Components::new);
    let problem = Problem::responses().remove("default");
    components.responses.extend(problem.map(|response| (PROBLEM.to_owned(), response)));
    let schemes: BTreeMap<String, _> = typed(json!({
        "bearer": {"type": "http", "scheme": "bearer",
            "description": "A person's development token; elsewhere it is 401 auth.token_refused."},
        "svid": {"type": "mutualTLS",
            "description": "A service's X.509-SVID, on the listener for services."},
    }))?;
    components.security_schemes.extend(schemes);
    document.security = Some(typed(json!([{"bearer": []}, {"svid": []}]))?);
    for item in document.paths.paths.values_mut() {
        for operation in [&mut item.get, &mut item.post].into_iter().flatten() {
            complete_operation(operation, shared)?;
        }
    }
    Ok(())
}

fn complete_operation(operation: &mut Operation, shared: Shared<'_>) -> serde_json::Result<()> {
    let parameters = operation.parameters.get_or_insert_default();
    for header in shared.request {
        let parameter: Parameter = typed(json!({
            "name": header.name, "in": "header", "required": header.required,
            "description": header.description, "schema": schema(header),
        }))?;
        parameters.push(RefOr::T(parameter));
    }
    let responses = &mut operation.responses.responses;
    for response in responses.iter_mut().filter(|(status, _)| status.starts_with('2')) {
        let RefOr::T(response) = response.1 else { continue };
        for header in shared.answer {
            let described = json!({"description": header.description, "schema": schema(header)});
            let described: ApiHeader = typed(described)?;
            response.headers.insert(header.name.to_owned(), RefOr::T(described));
        }
    }
    let problem = Ref::from_response_name(PROBLEM);
    let statuses = shared.problems.iter().map(u16::to_string);
    for status in statuses.chain(["default".to_owned()]) {
        responses.insert(status, RefOr::Ref(problem.clone()));
    }
    Ok(())
}

fn schema(header: &Header) -> Value {
    json!({"type": "string", "pattern": header.pattern})
}

fn typed<T: DeserializeOwned>(value: Value) -> serde_json::Result<T> {
    serde_json::from_value(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::MEDIA_TYPE;

    #[test]
    fn an_answer_of_a_listed_status_is_a_problem() {
        let mut document = OpenApi::default();
        complete(&mut document, Shared { request: &[], answer: &[], problems: &[404] }).unwrap();
        let document = serde_json::to_value(document).unwrap();
        let content = &document["components"]["responses"][PROBLEM]["content"];
        assert!(content[MEDIA_TYPE].is_object(), "{document}");
        assert_eq!(document["security"], json!([{"bearer": []}, {"svid": []}]));
    }
}
