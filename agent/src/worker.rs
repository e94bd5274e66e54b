//! Judges jobs and has them done. The decision is `trust::accept::judge`; everything here only feeds it and obeys it.

use crate::answer::{Answer, End, Subject};
use crate::config::{Config, InvalidConfig};
use crate::executor::{self, Means, Order, check_own_limits, recovery};
use crate::introspect::introspect;
use crate::journal::{self, Existing, StoredAnswer, Wanted};
use crate::state::{State, StateError};
use crate::target::{Guard, Session, Target, TargetError};
use chassis::Clock;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use tokio_util::sync::CancellationToken;
use trust::accept::{
    JournalView, Moment, Reason, Refusal, Site, StoredResult, Verdict, cancels, dispatcher_signed,
    judge,
};
use trust::dsse::{Envelope, EnvelopeError, Parsed, Signature};
use trust::keys::KeyId;
use trust::message::JobMessage;
use trust::names::{DataSourceId, TenantSlug};
use trust::pinned::{PinnedRoot, RootError};
use trust::spiffe::SpiffeId;
use trust::statement::{Cancel, Change, Mode, Statement as _};

/// The last line that needs neither journal nor target: what fails up to here never opens a session.
const LAST_LINE_WITHOUT_TARGET: u8 = 4;

/// Longest payload of a cancel that is kept, in bytes: three members.
const LONGEST_CANCEL: usize = 1_024;

/// Why the agent does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration makes no sense, or is another agent's.
    #[error("the configuration is refused")]
    Config(#[from] InvalidConfig),
    /// The root's file cannot be read.
    #[error("cannot read the trust root {}", path.display())]
    RootFile {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It is not an envelope.
    #[error("{} is not a trust root", path.display())]
    RootEnvelope {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: EnvelopeError,
    },
    /// It is not the pinned one, or its own keys did not sign it.
    #[error("the trust root {} is refused", path.display())]
    Root {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: RootError,
    },
    /// It is another tenant's.
    #[error("the trust root is of {root}, the configuration of {configured}")]
    RootOfOther {
        /// The root's tenant.
        root: TenantSlug,
        /// The configured one.
        configured: TenantSlug,
    },
    /// The agent's state cannot be used.
    #[error("the agent's state is refused")]
    State(#[from] StateError),
}

/// One agent with its site's configuration, pinned root, state and targets.
#[derive(Debug)]
pub struct Worker {
    site: Site,
    revoked: BTreeMap<DataSourceId, BTreeSet<KeyId>>,
    targets: BTreeMap<DataSourceId, Target>,
    root: PinnedRoot,
    state: State,
    clock: Clock,
}

/// A migration for which the lock is held.
#[derive(Clone, Copy)]
struct Locked<'a> {
    message: &'a JobMessage,
    site: &'a Site,
    target: &'a Target,
    subject: &'a Subject,
    cancelled: &'a CancellationToken,
}

impl Worker {
    /// Opens root and state; refuses to work as anybody else than `own`. Targets are not connected to.
    pub fn open(config: &Config, own: &SpiffeId, clock: Clock) -> Result<Self, StartError> {
        config.check(own)?;
        let path = &config.root.file;
        let bytes = std::fs::read(path)
            .map_err(|source| StartError::RootFile { path: path.clone(), source })?;
        let envelope = Envelope::parse(&bytes)
            .map_err(|source| StartError::RootEnvelope { path: path.clone(), source })?;
        let root = PinnedRoot::open(&envelope, &config.root_pin())
            .map_err(|source| StartError::Root { path: path.clone(), source })?;
        if root.root().tenant != config.tenant {
            let (root, configured) = (root.root().tenant.clone(), config.tenant.clone());
            return Err(StartError::RootOfOther { root, configured });
        }
        let state = State::open(&config.state_dir, own)?;
        state.accept_root(root.reference())?;
        let sources = || config.data_sources.iter();
        Ok(Self {
            site: config.site(own),
            revoked: sources().map(|s| (s.id.clone(), s.revoked_keys.clone())).collect(),
            targets: sources().map(|s| (s.id.clone(), Target::new(s))).collect(),
            root,
            state,
            clock,
        })
    }

    /// What the predicate is told about this site.
    pub fn site(&self) -> &Site {
        &self.site
    }

    /// The current root.
    pub fn root(&self) -> &PinnedRoot {
        &self.root
    }

    /// The agent's durable state.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The agent's clock.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Judges a job, does it if everything holds, and gives the answer to sign. `cancelled` fires when a verified cancel
    /// comes while it runs.
    ///
    /// An error means that nothing can be said now, and the job is to be delivered again.
    pub async fn work(
        &self,
        message: &JobMessage,
        cancelled: &CancellationToken,
    ) -> Result<Answer, TargetError> {
        let job = message.job.statement();
        let site = self.site_for(&job.data_source);
        let started_at = self.clock.now();
        let who = (&site.tenant, &site.agent);
        let subject = Subject::of_message(message, who, &self.root, &site.revoked_keys, started_at);
        let stored = self.kept_answer(message);
        if let Some(same) = stored.clone().filter(|kept| kept.job_sha256 == message.job.sha256()) {
            return Ok(Answer::stored(same)?);
        }
        // As if the target agreed: what is refused even so is refused without opening a session.
        let moment = Moment {
            now: started_at,
            time_floor: self.state.time_floor(),
            target_clock: Some(started_at),
        };
        let fences = self.state.fences(&job.data_source);
        let known = JournalView {
            stored,
            target_fences: fences.clone(),
            agent_fences: fences,
            ..JournalView::default()
        };
        let early = match judge(message, &site, &self.root, &moment, &known) {
            // The target's journal may know a higher fence than the agent's own state.
            Err(refusal) if refusal.reason() == Reason::FenceJump => Ok(None),
            Err(refusal) => Err(refusal),
            Ok(verdict) => Ok(Some(verdict)),
        };
        let target = self.targets.get(&job.data_source);
        let (early, target) = match (early, target) {
            (Err(refusal), Some(target))
                if refusal.line() > LAST_LINE_WITHOUT_TARGET && job.mode != Mode::Introspect =>
            {
                (Some(refusal), target)
            }
            (Err(refusal), _) => {
                return self.refuse(message, &site, subject, &refusal, TargetError::Begun);
            }
            (Ok(_), Some(target)) => (None, target),
            (Ok(_), None) => {
                let sentence = format!("{} is not configured here", job.data_source);
                let refusal = Refusal::not_supported(4, sentence);
                return self.refuse(message, &site, subject, &refusal, TargetError::Begun);
            }
        };
        if self.kept_cancel(message, &site) {
            cancelled.cancel();
        }
        if early.is_none() {
            self.state.raise_time_floor(started_at)?;
        }
        if job.mode == Mode::Introspect {
            return introspect(target, &subject, cancelled, &self.clock).await;
        }
        match self.migrate(message, &site, target, &subject, cancelled).await {
            Err(error) => self.without_target(message, &site, subject, early, error),
            answered => answered,
        }
    }

    /// Makes every target ready for its next change where a change was done before: what that costs need not be waited
    /// for then.
    pub async fn make_ready(&self) {
        for target in self.targets.values().filter(|target| target.was_used()) {
            if let Err(error) = target.make_ready().await {
                tracing::debug!(data_source = %target.id, error = error.described(), "not made ready");
            }
        }
    }

    /// Whether this cancel, come while the job is here, takes it back.
    pub fn takes_back(&self, cancel: &Parsed<Cancel>, message: &JobMessage) -> bool {
        let site = self.site_for(&message.job.statement().data_source);
        match cancels(cancel, &message.job, &site, &self.root) {
            Ok(()) => true,
            Err(refusal) => {
                let (job, refusal) = (&cancel.statement().job, refusal.name());
                tracing::warn!(job.id = %job, refusal, "a cancel was refused");
                false
            }
        }
    }

    /// Keeps a cancel for whenever its job comes (again): it is verified against the job then. What no dispatcher signed
    /// is not kept.
    pub fn keep_cancel(&self, cancel: &Parsed<Cancel>) -> Result<(), StateError> {
        let job = &cancel.statement().job;
        let Some(genuine) = self.genuine(cancel.envelope()) else {
            tracing::warn!(job.id = %job, "a cancel that no dispatcher signed, or none of its form, is dropped");
            return Ok(());
        };
        self.state.keep_cancel(job, &genuine)
    }

    /// A cancel with the one signature that counts and nothing else that anybody may have put beside it.
    fn genuine(&self, cancel: &Envelope) -> Option<Envelope> {
        let bare = Envelope::around_payload(Cancel::PAYLOAD_TYPE, cancel.payload().to_vec());
        let genuine = cancel.signatures().iter().map(|signature| {
            let (sig, keyid) = (signature.sig.clone(), String::new());
            bare.clone().with_signature(Signature { keyid, sig, x5c: None, webauthn: None })
        });
        let mut genuine = genuine.filter(|one| one.payload().len() <= LONGEST_CANCEL);
        genuine.find(|one| dispatcher_signed(one, &self.site, &self.root))
    }

    async fn migrate(
        &self,
        message: &JobMessage,
        site: &Site,
        target: &Target,
        subject: &Subject,
        cancelled: &CancellationToken,
    ) -> Result<Answer, TargetError> {
        // Opened beside the lock's session, so that the change does not wait for it later.
        let connecting = target.connect_for_change(message.job.statement().job.as_str());
        let (guard, session) = tokio::join!(Guard::take(target), connecting);
        let (mut guard, session) = (guard?, session?);
        let job = Locked { message, site, target, subject, cancelled };
        let answered = self.migrate_locked(job, &mut guard, session).await;
        if answered.is_ok() {
            guard.release().await;
        }
        answered
    }

    async fn migrate_locked(
        &self,
        job: Locked<'_>,
        guard: &mut Guard,
        session: Session,
    ) -> Result<Answer, TargetError> {
        let Locked { message, site, target, subject, cancelled } = job;
        journal::prepare(guard.session(), &target.id).await?;
        recovery::resolve(guard, &self.state).await?;
        let view = self.view(message, guard).await?;
        let moment = Moment {
            now: self.clock.now(),
            time_floor: self.state.time_floor(),
            target_clock: Some(guard.clock().await?),
        };
        let accepted = match judge(message, site, &self.root, &moment, &view) {
            Ok(Verdict::Redelivered(stored)) => return Ok(Answer::stored(stored)?),
            Ok(Verdict::Accepted(accepted)) => accepted,
            Err(refusal) => return self.refused_here(subject, &refusal, guard).await,
        };
        let Some(migration) = accepted.migration() else {
            let refusal = Refusal::not_supported(4, "there is nothing to run");
            return self.refused_here(subject, &refusal, guard).await;
        };
        if let Err(refusal) = check_own_limits(migration).await {
            return self.refused_here(subject, &refusal, guard).await;
        }
        let means = Means { state: &self.state, clock: &self.clock, cancelled };
        match Order::new(&accepted, migration, subject, target, means) {
            Ok(order) => executor::run(&order, session, guard).await,
            Err(refusal) => self.refused_here(subject, &refusal, guard).await,
        }
    }

    async fn view(&self, message: &JobMessage, guard: &Guard) -> Result<JournalView, TargetError> {
        let job = message.job.statement();
        let change = message.change.clone().map(Parsed::<Change>::from_envelope);
        let change = change.and_then(Result::ok);
        let agent_fences = self.state.fences(&job.data_source);
        let wanted = Wanted {
            job: &job.job,
            attempt: job.attempt,
            change: change.as_ref().map(|c| (&c.statement().change, c.sha256())),
            agent_fences: &agent_fences,
        };
        let mut view = journal::view(guard.session(), wanted).await?;
        view.stored = view.stored.or_else(|| self.kept_answer(message));
        // SQL of a change could have taken its word out of the journal, never out of the agent's own state.
        view.consumed.extend(self.state.consumed(&job.data_source));
        Ok(view)
    }

    /// What can be said although the target cannot be worked on: that the job is refused whatever the target says.
    fn without_target(
        &self,
        message: &JobMessage,
        site: &Site,
        subject: Subject,
        early: Option<Refusal>,
        error: TargetError,
    ) -> Result<Answer, TargetError> {
        if error.is_wrong_database() {
            tracing::error!(
                data_source = %subject.data_source, %error,
                "this is not the database of the data source, or its journal is not the agent's alone"
            );
            let refusal = Refusal::not_supported(7, error.to_string());
            return self.refuse(message, site, subject, &refusal, error);
        }
        match early {
            Some(refusal) => self.refuse(message, site, subject, &refusal, error),
            None => Err(error),
        }
    }

    /// Refuses without a journal to write that into. A dispatcher's own job is remembered here as answered; what is not
    /// authentic is answered by a digest that is not the genuine job's. Either way no job runs that was refused.
    ///
    /// `begun` is what is said of an attempt that began: it has an end, which only the right journal tells.
    fn refuse(
        &self,
        message: &JobMessage,
        site: &Site,
        subject: Subject,
        refusal: &Refusal,
        begun: TargetError,
    ) -> Result<Answer, TargetError> {
        if !dispatcher_signed(message.job.envelope(), site, &self.root) {
            let subject = subject.unauthentic(message.job.envelope().payload());
            return self.refused(&subject, refusal);
        }
        if self.state.has_begun(&subject.job, subject.attempt) {
            return Err(begun);
        }
        let answer = self.refused(&subject, refusal)?;
        let kept = StoredResult {
            job: answer.job.clone(),
            attempt: answer.attempt,
            job_sha256: subject.job_sha256,
            result: answer.payload.clone(),
            document: None,
        };
        self.state.keep_answer(kept, message.job.statement().not_after)?;
        Ok(answer)
    }

    fn refused(&self, subject: &Subject, refusal: &Refusal) -> Result<Answer, TargetError> {
        Ok(subject.refused(refusal, End::default(), &self.clock)?)
    }

    /// Refuses a dispatcher's own job, and remembers that: the attempt must not run when it comes again.
    async fn refused_here(
        &self,
        subject: &Subject,
        refusal: &Refusal,
        guard: &mut Guard,
    ) -> Result<Answer, TargetError> {
        let answer = self.refused(subject, refusal)?;
        let stored = StoredAnswer {
            job: &answer.job,
            attempt: answer.attempt,
            job_sha256: subject.job_sha256,
            result: &answer.payload,
            document: None,
        };
        journal::record(guard, None, stored, Existing::Stays).await?;
        Ok(answer)
    }

    fn kept_answer(&self, message: &JobMessage) -> Option<StoredResult> {
        let job = message.job.statement();
        self.state.answered(&job.job, job.attempt, message.job.sha256())
    }

    fn kept_cancel(&self, message: &JobMessage, site: &Site) -> bool {
        let kept = self.state.cancels(&message.job.statement().job);
        let mut kept = kept.into_iter().filter_map(|cancel| Parsed::from_envelope(cancel).ok());
        kept.any(|cancel| cancels(&cancel, &message.job, site, &self.root).is_ok())
    }

    /// The site with the keys that this data source revokes on top.
    fn site_for(&self, source: &DataSourceId) -> Site {
        let mut site = self.site.clone();
        site.revoked_keys.extend(self.revoked.get(source).into_iter().flatten().copied());
        site
    }
}
