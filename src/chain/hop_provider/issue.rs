//! Makes leases of the credentials that a hop obtained: how long they are valid and when to refresh them.

use std::time::Duration;

use super::{Exchanged, HopKind, HopProvider};
use crate::{
    arn::{SessionDuration, SessionName},
    chain::base::{BaseProvider, UNDATED_REFRESH},
    credentials::Credentials,
    lease::{Lease, Receipt},
    schedule::{
        lifetime::{LONGEST_SESSION, lifetime},
        window::Window,
    },
};

impl HopProvider {
    pub(super) fn base_lease(&self, base: &BaseProvider, credentials: Credentials) -> Lease {
        let now = self.context.clock.now();
        let window = match (credentials.expiry(), base) {
            (Some(expiry), _) => {
                let sts_time = self.context.sts_clock.time(now);
                let left = lifetime(expiry.as_time(), sts_time, now.wall, Duration::MAX);
                Window::new(now, left, self.refresh_point)
            }
            (None, BaseProvider::Keys(_)) => Window::endless(now),
            (None, _) => Window::undated(now, UNDATED_REFRESH),
        };
        if !matches!(base, BaseProvider::Keys(_)) {
            let expiry = credentials.expiry().map_or("none".to_owned(), |expiry| expiry.to_string());
            tracing::info!(
                profile = %self.profiles(),
                hop = self.hop.number,
                source = base.name(),
                expiry,
                "base credentials loaded"
            );
        }
        let session_name = SessionName::mapped_from("");
        Lease { credentials, window, session_name, claims: None, receipt: Receipt::default() }
    }

    pub(super) fn lease(&self, exchanged: Exchanged, attempt: u32) -> Lease {
        let Exchanged { issued, session_name, claims, endpoint, failed_endpoints } = exchanged;
        let now = self.context.clock.now();
        let lifetime = lifetime(issued.expiry.as_time(), issued.issued_at, now.wall, self.longest_session());
        tracing::info!(
            profile = %self.profiles(),
            hop = self.hop.number,
            role_arn = %self.hop.role(),
            session_name = session_name.as_str(),
            region = endpoint.region(),
            expiry = %issued.expiry,
            attempt,
            request_id = issued.request_id.as_deref().unwrap_or("none"),
            packed_policy_size = issued.packed_policy_size,
            "credentials obtained"
        );
        Lease {
            credentials: issued.credentials,
            window: Window::new(now, lifetime, self.refresh_point),
            session_name,
            claims,
            receipt: Receipt {
                endpoint: Some(endpoint),
                failed_endpoints,
                request_id: issued.request_id,
                packed_policy_size: issued.packed_policy_size,
            },
        }
    }

    /// Returns the longest session that STS issues for this hop's request.
    fn longest_session(&self) -> Duration {
        let (session, is_chained) = match &self.kind {
            HopKind::Base(_) => return Duration::MAX,
            HopKind::WebIdentity { plan, .. } => (&plan.session, false),
            HopKind::AssumeRole { plan, source, .. } => (&plan.session, source.is_role_session()),
        };
        match session.duration {
            Some(duration) => duration.into(),
            None if is_chained => SessionDuration::LONGEST_CHAINED.into(),
            None => LONGEST_SESSION,
        }
    }

    /// Returns true if the credentials of this hop certainly are those of a role session.
    fn is_role_session(&self) -> bool {
        match &self.kind {
            HopKind::WebIdentity { .. } | HopKind::AssumeRole { .. } => true,
            HopKind::Base(base) => matches!(base, BaseProvider::Container { .. } | BaseProvider::InstanceMetadata(_)),
        }
    }
}
