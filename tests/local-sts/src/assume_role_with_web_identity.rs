//! The AssumeRoleWithWebIdentity action: exchanges a service account token for a role session. Its requests are not
//! signed.
//!
//! <https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html>

use crate::action::Action;
use crate::error::StsError;
use crate::parameters::{Parameters, Violations};
use crate::policy::condition::Context;
use crate::policy::evaluation::RequestPrincipal;
use crate::session_request::SessionRequest;
use crate::sts::IssueCredentials;
use crate::success_response::SuccessResponse;
use crate::tags::SessionTags;
use crate::web_identity::{Issuer, WebIdentity};
use crate::world::World;
use crate::xml::Element;

pub(crate) fn handle(
    parameters: &Parameters,
    world: &World,
    issuer: &Issuer<'_>,
    now: i64,
    issue_credentials: IssueCredentials<'_>,
) -> Result<SuccessResponse, StsError> {
    let mut violations = Violations::default();
    let token = violations.required(parameters, "WebIdentityToken");
    violations.length("WebIdentityToken", token, 4, 20_000);
    let request = SessionRequest::read(parameters, violations)?;
    world.check_role_arn(&request.role_arn)?;
    if parameters.text("ProviderId").is_some() {
        // ProviderId is for OAuth 2.0 access tokens, which this server does not accept.
        return Err(StsError::validation("ProviderId is not valid for an OpenID Connect token"));
    }
    let identity = WebIdentity::verify(token, &request.role_arn, world, issuer, now)?;
    let tags = SessionTags::from_token(identity.tags, identity.transitive_tag_keys).inherit(None)?;
    let packed_size = request.packed_size(tags.requested())?;

    let mut context = Context::default();
    context.set(&format!("{}:sub", identity.provider), [&identity.subject]);
    context.set(&format!("{}:aud", identity.provider), [&identity.audience]);
    context.set("aws:FederatedProvider", [&identity.provider_arn]);
    context.set("sts:RoleSessionName", [&request.session_name]);
    if let Some(source_identity) = &identity.source_identity {
        context.set("sts:SourceIdentity", [source_identity]);
    }
    tags.add_to_context(&mut context);

    let refused = |action: &str| StsError::access_denied(format!("Not authorized to perform {action}"));
    let role = world.role(&request.role_arn.to_string()).ok_or_else(|| refused("sts:AssumeRoleWithWebIdentity"))?;
    let principal = RequestPrincipal::Federated { provider_arn: &identity.provider_arn };
    let needed = [
        ("sts:AssumeRoleWithWebIdentity", true),
        ("sts:TagSession", !tags.is_empty()),
        ("sts:SetSourceIdentity", identity.source_identity.is_some()),
    ];
    for (action, is_needed) in needed {
        if is_needed && role.trust.trusts(principal, action, &context).is_none() {
            return Err(refused(action));
        }
    }

    let duration = request.duration(role, false)?;
    let session = request.into_session(tags, identity.source_identity);
    let credentials = issue_credentials(&session, duration);
    let others = vec![
        Element::text("SubjectFromWebIdentityToken", identity.subject),
        Element::text("Audience", identity.audience),
        Element::text("Provider", identity.provider_arn),
    ];
    Ok(SuccessResponse::with_credentials(Action::AssumeRoleWithWebIdentity, credentials, &session, packed_size, others))
}
