//! The desk of a witness: one request at a time for each log, from the decision to the durable note.

use super::state::{State, StateError};
use crate::output::Output;
use ledger::witness::{
    Cosigner, KnownLog, Refusal, Request, Seen, TEXT_CONTENT_TYPE, decide, origin_hash,
};
use ledger::{CheckpointNote, Origin};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use trust::encoding::to_base64;
use trust::keys::PublicKey;

/// An answer over HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Its content type.
    pub content_type: &'static str,
    /// The whole body.
    pub body: String,
}

impl Answer {
    /// Plain text.
    pub fn text(status: u16, body: impl Into<String>) -> Self {
        Self { status, content_type: TEXT_CONTENT_TYPE, body: body.into() }
    }
}

/// What is known of one log.
#[derive(Debug)]
struct Watched {
    log: KnownLog,
    /// What was cosigned last, and its note.
    last: Option<(Seen, String)>,
}

/// Everything that changes. One lock for all logs: a witness answers a request in a few milliseconds, a sync of the
/// disk included, and logs ask it about once a second.
#[derive(Debug)]
struct Books {
    state: State,
    logs: BTreeMap<Origin, Watched>,
    /// Why nothing more is cosigned: after a failed write nobody knows what is on the disk.
    broken: Option<StateError>,
}

/// A witness without its door.
#[derive(Debug)]
pub struct Desk {
    cosigner: Cosigner,
    books: Mutex<Books>,
    output: Output,
}

impl Desk {
    /// Reads what was cosigned of every log.
    pub fn open(
        mut state: State,
        cosigner: Cosigner,
        logs: Vec<KnownLog>,
        output: Output,
    ) -> Result<Self, StateError> {
        let mut watched = BTreeMap::new();
        for log in logs {
            let last = state.read(&log.origin, &cosigner)?;
            watched.insert(log.origin.clone(), Watched { log, last });
        }
        let books = Mutex::new(Books { state, logs: watched, broken: None });
        Ok(Self { cosigner, books, output })
    }

    /// The answer to a body of `add-checkpoint`; none if the state cannot be kept: then the process has to stop.
    ///
    /// It is not async: a caller that goes away must not leave memory behind what the disk says.
    pub fn add_checkpoint(&self, body: &[u8], now_unix_seconds: u64) -> Option<Answer> {
        let request = match Request::parse(body) {
            Ok(request) => request,
            Err(refusal) => return Some(refused(&refusal)),
        };
        let mut books = self.books.lock().ok()?;
        let Books { state, logs, broken } = &mut *books;
        if broken.is_some() {
            return None;
        }
        let Some(watched) = logs.get_mut(request.origin()) else {
            return Some(refused(&Refusal::UnknownLog));
        };
        let seen = watched.last.as_ref().map(|(seen, _)| *seen);
        let size = request.note().claim().size;
        let granted = match decide(seen, &request, &watched.log, &self.cosigner, now_unix_seconds) {
            Ok(granted) => granted,
            Err(refusal) => {
                self.tell_refusal(&refusal, &request, &watched.log);
                return Some(refused(&refusal));
            }
        };
        let mut text = String::new();
        let kept = granted.once_kept(|note| {
            text = note.to_string();
            state.keep(&watched.log.origin, note)
        });
        match kept {
            Ok((seen, cosignature)) => {
                watched.last = Some((seen, text));
                let origin = &watched.log.origin;
                self.tell(&json!({"event": "cosigned", "log": origin, "size": size, "time": seen.unix_seconds}));
                Some(Answer::text(200, format!("{cosignature}\n")))
            }
            Err(error) => {
                *broken = Some(error);
                None
            }
        }
    }

    /// Why the process has to stop.
    pub fn broken(&self) -> Option<StateError> {
        let mut books = self.books.lock().unwrap_or_else(PoisonError::into_inner);
        books.broken.take()
    }

    /// The newest cosigned note of a log, by the hash of its name.
    pub fn checkpoint(&self, hash: &str) -> Option<String> {
        let books = self.books.lock().ok()?;
        let mut watched = books.logs.values();
        let watched = watched.find(|watched| origin_hash(&watched.log.origin) == hash)?;
        watched.last.as_ref().map(|(_, note)| note.clone())
    }

    /// Who this is and what it has seen, for people and for those who configure it elsewhere.
    pub fn card(&self) -> String {
        let (name, key) = (self.cosigner.name(), self.cosigner.public());
        let mut lines = vec![
            format!("name {name}"),
            format!("spki {key}"),
            format!("vkey {}", self.cosigner.verifier_key()),
        ];
        if let Ok(books) = self.books.lock() {
            lines.extend(books.logs.values().map(|watched| {
                let size = watched.last.as_ref().map_or(0, |(seen, _)| seen.head.size);
                format!("log {} {size} {}", watched.log.origin, origin_hash(&watched.log.origin))
            }));
        }
        lines.join("\n") + "\n"
    }

    /// Its name and key.
    pub fn identity(&self) -> (String, PublicKey) {
        (self.cosigner.name().to_string(), self.cosigner.public())
    }

    /// Only what the log signed is told: anybody can send the rest, as often as they like.
    fn tell_refusal(&self, refusal: &Refusal, request: &Request, log: &KnownLog) {
        let Some(attested) = log.attested(request.note()) else { return };
        let claim = attested.claim();
        let mut line = json!({
            "event": "refused", "log": claim.origin, "size": claim.size, "code": refusal.code(),
            "why": refusal.to_string(),
        });
        if refusal.is_suspicious()
            && let Some(members) = line.as_object_mut()
        {
            // Two notes of one size are evidence against the log by themselves.
            members.insert("note".to_owned(), Value::String(base64(&attested)));
        }
        self.tell(&line);
    }

    fn tell(&self, line: &Value) {
        self.output.talk(&line.to_string());
    }
}

fn base64(note: &CheckpointNote) -> String {
    to_base64(note.to_string().as_bytes())
}

fn refused(refusal: &Refusal) -> Answer {
    let (content_type, body) = refusal.answer();
    Answer { status: refusal.status(), content_type, body }
}
