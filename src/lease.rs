//! A lease: credentials of a hop, and the times when they are due for refresh and when they are no longer served.

use std::sync::Arc;

use crate::{arn::SessionName, credentials::Credentials, schedule::window::Window, sts::Endpoint, token::Claims};

/// Credentials of one hop.
#[derive(Clone, Debug)]
pub(crate) struct Lease {
    pub(crate) credentials: Credentials,
    /// When to refresh them and how long to serve them.
    pub(crate) window: Window,
    /// Role session name. The next hop uses it unless it has its own.
    pub(crate) session_name: SessionName,
    /// Claims of the web identity token at the chain's base, if there is one.
    pub(crate) claims: Option<Arc<Claims>>,
    pub(crate) receipt: Receipt,
}

/// Details of an STS response other than credentials, for logs, `status` and `check`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Receipt {
    /// The STS that issued the credentials; `None` for a base other than a token exchange.
    pub(crate) endpoint: Option<Endpoint>,
    /// The STS of the hop that failed in the same refresh, so that the STS of a fallback region issued the credentials.
    pub(crate) failed_endpoints: Vec<Endpoint>,
    pub(crate) request_id: Option<String>,
    /// Size of session policies and tags, in percent of STS's limit.
    pub(crate) packed_policy_size: Option<u32>,
}
