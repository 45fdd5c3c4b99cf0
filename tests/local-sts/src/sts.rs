//! The STS service without HTTP: takes the content of a request and returns a response or an error.

use std::sync::Mutex;
use std::time::Duration;

use serde_json::{Value, json};

use crate::action::Action;
use crate::caller::Caller;
use crate::clock::Clock;
use crate::error::StsError;
use crate::lock::lock;
use crate::parameters::Parameters;
use crate::session::{IssuedCredentials, Session, Sessions};
use crate::signature::{PresentedSignature, SignedContent};
use crate::signing_key::SigningKey;
use crate::success_response::SuccessResponse;
use crate::token::Claims;
use crate::web_identity::Issuer;
use crate::world::{World, WorldError};
use crate::{assume_role, assume_role_with_web_identity};

const API_VERSION: &str = "2011-06-15";

/// Issues credentials for a session; the second parameter is the requested duration in seconds.
pub(crate) type IssueCredentials<'a> = &'a dyn Fn(&Session, u64) -> IssuedCredentials;

/// The state of the service.
pub(crate) struct Sts {
    pub(crate) clock: Clock,
    issuer: String,
    key: &'static SigningKey,
    world: Mutex<World>,
    sessions: Mutex<Sessions>,
    /// The lifetime of credentials, if it overrides the requested duration.
    lifetime: Mutex<Option<Duration>>,
    issued_secrets: Mutex<Vec<String>>,
}

impl Sts {
    pub(crate) fn new(world: &World, url: &str) -> Result<Self, WorldError> {
        let issuer = world.issuer.clone().unwrap_or_else(|| url.to_owned());
        let world = world.with_issuer(&issuer)?;
        let users = world.accounts.values().flat_map(|account| account.users.values());
        Ok(Self {
            clock: Clock::with_shift(world.clock_shift),
            issuer,
            key: SigningKey::shared(),
            lifetime: Mutex::new(world.lifetime()),
            issued_secrets: Mutex::new(users.map(|user| user.secret_access_key.clone()).collect()),
            sessions: Mutex::default(),
            world: Mutex::new(world),
        })
    }

    /// Performs the action that the parameters name. Signatures must be for `signing_region` or, if that is `None`, for the region of
    /// the world.
    pub(crate) fn handle(
        &self,
        content: SignedContent<'_>,
        parameters: &Parameters,
        signing_region: Option<&str>,
    ) -> Result<SuccessResponse, StsError> {
        let action = read_action(parameters)?;
        let now = self.clock.now();
        let world = lock(&self.world).clone();
        let issue = |session: &Session, seconds: u64| self.issue_credentials(session, seconds, now);
        let authenticate = || {
            let presented =
                PresentedSignature::read(content.headers, now, signing_region.or(world.signing_region.as_deref()))?;
            Caller::authenticate(&presented, content, &world, &lock(&self.sessions), now)
        };
        match action {
            Action::AssumeRoleWithWebIdentity => {
                let issuer = Issuer { url: &self.issuer, key: self.key, key_set: world.key_set.as_ref() };
                assume_role_with_web_identity::handle(parameters, &world, &issuer, now, &issue)
            }
            Action::AssumeRole => assume_role::handle(parameters, &authenticate()?, &world, &issue),
            Action::GetCallerIdentity => {
                let caller = authenticate()?;
                Ok(SuccessResponse::caller_identity(&caller.arn, &caller.user_id, &caller.account))
            }
        }
    }

    pub(crate) fn mint(&self, claims: &Claims) -> String {
        let token = claims.sign(self.key, &self.issuer, self.clock.now());
        lock(&self.issued_secrets).push(token.clone());
        token
    }

    pub(crate) fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Returns the JSON Web Key Set that is served at `/openid/v1/jwks`.
    pub(crate) fn key_set(&self) -> Value {
        lock(&self.world).key_set.as_ref().map_or_else(|| self.key.key_set(), |keys| json!(keys))
    }

    pub(crate) fn set_lifetime(&self, lifetime: Option<Duration>) {
        *lock(&self.lifetime) = lifetime;
    }

    pub(crate) fn issued_secrets(&self) -> Vec<String> {
        lock(&self.issued_secrets).clone()
    }

    /// Changes the accounts. Sessions, clock, lifetime and faults stay the same.
    pub(crate) fn edit_world(&self, edit: impl FnOnce(&mut World)) -> Result<(), WorldError> {
        let mut world = lock(&self.world);
        let mut edited = world.clone();
        edit(&mut edited);
        *world = edited.with_issuer(&self.issuer)?;
        let users = world.accounts.values().flat_map(|account| account.users.values());
        lock(&self.issued_secrets).extend(users.map(|user| user.secret_access_key.clone()));
        Ok(())
    }

    fn issue_credentials(&self, session: &Session, seconds: u64, now: i64) -> IssuedCredentials {
        let seconds = lock(&self.lifetime).map_or(seconds, |lifetime| lifetime.as_secs());
        let expires_at = now.saturating_add_unsigned(seconds);
        let credentials = lock(&self.sessions).issue(session.clone(), expires_at);
        let secrets = [credentials.secret_access_key.clone(), credentials.session_token.clone()];
        lock(&self.issued_secrets).extend(secrets);
        credentials
    }
}

fn read_action(parameters: &Parameters) -> Result<Action, StsError> {
    let Some(name) = parameters.text("Action") else {
        return Err(StsError::new("MissingAction", 400, "The request is missing an Action parameter."));
    };
    let version = parameters.text("Version").unwrap_or("NO_VERSION_SPECIFIED");
    Action::from_name(name).filter(|_| version == API_VERSION).ok_or_else(|| {
        StsError::new("InvalidAction", 400, format!("Could not find operation {name} for version {version}"))
    })
}
