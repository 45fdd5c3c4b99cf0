//! The AssumeRole action: one hop of a role chain.
//!
//! <https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html>

use crate::action::Action;
use crate::caller::Caller;
use crate::error::StsError;
use crate::parameters::{Parameters, Violations};
use crate::policy::condition::Context;
use crate::policy::evaluation::{Permission, TrustMatch};
use crate::session_request::SessionRequest;
use crate::sts::IssueCredentials;
use crate::success_response::SuccessResponse;
use crate::tags::SessionTags;
use crate::world::{Role, World};

pub(crate) fn handle(
    parameters: &Parameters,
    caller: &Caller,
    world: &World,
    issue_credentials: IssueCredentials<'_>,
) -> Result<SuccessResponse, StsError> {
    let mut violations = Violations::default();
    let tags = SessionTags::read(parameters, &mut violations)?;
    let external_id = parameters.text("ExternalId");
    if let Some(external_id) = external_id {
        violations.characters("ExternalId", external_id, "+=,.@:/-", r"[\w+=,.@:\/-]*");
        violations.length("ExternalId", external_id, 2, 1224);
    }
    if let Some(identity) = parameters.text("SourceIdentity") {
        violations.session_name("SourceIdentity", identity);
    }
    let request = SessionRequest::read(parameters, violations)?;
    world.check_role_arn(&request.role_arn)?;
    let tags = tags.inherit(caller.session.as_ref())?;
    let packed_size = request.packed_size(tags.requested())?;
    if parameters.text("SerialNumber").is_some() || parameters.text("TokenCode").is_some() {
        return Err(StsError::access_denied("MultiFactorAuthentication failed with invalid MFA one time pass code."));
    }
    let inherited_identity = caller.session.as_ref().and_then(|session| session.source_identity.as_deref());
    let source_identity = parameters.text("SourceIdentity").or(inherited_identity);

    let mut context = context_of(caller, &request, &tags);
    if let Some(external_id) = external_id {
        context.set("sts:ExternalId", [external_id]);
    }
    if let Some(identity) = source_identity {
        context.set("sts:SourceIdentity", [identity]);
    }

    let role_arn = request.role_arn.to_string();
    let refused = |action: &str| {
        StsError::access_denied(format!(
            "User: {} is not authorized to perform: {action} on resource: {role_arn}",
            caller.arn
        ))
    };
    let role = world
        .role(&role_arn)
        .filter(|role| may_assume(caller, role, &request.role_arn.account, &role_arn, &context))
        .ok_or_else(|| refused("sts:AssumeRole"))?;
    let trusted_for = |action: &str| role.trust.trusts(caller.as_request_principal(), action, &context).is_some();
    if !tags.is_empty() && !trusted_for("sts:TagSession") {
        return Err(refused("sts:TagSession"));
    }
    // A source identity cannot change along a role chain.
    let identity_changed = inherited_identity.is_some() && inherited_identity != source_identity;
    if identity_changed || (source_identity.is_some() && !trusted_for("sts:SetSourceIdentity")) {
        return Err(refused("sts:SetSourceIdentity"));
    }

    let duration = request.duration(role, caller.session.is_some())?;
    let session = request.into_session(tags, source_identity.map(str::to_owned));
    let credentials = issue_credentials(&session, duration);
    Ok(SuccessResponse::with_credentials(Action::AssumeRole, credentials, &session, packed_size, Vec::new()))
}

fn context_of(caller: &Caller, request: &SessionRequest, tags: &SessionTags) -> Context {
    let mut context = Context::default();
    context.set("aws:PrincipalArn", [caller.principal_arn()]);
    context.set("aws:PrincipalAccount", [&caller.account]);
    context.set("sts:RoleSessionName", [&request.session_name]);
    if let Some(session) = &caller.session {
        for (key, value) in &session.tags {
            context.set(&format!("aws:PrincipalTag/{key}"), [value]);
        }
    }
    tags.add_to_context(&mut context);
    context
}

/// Returns true if the role trusts the caller and the caller's own policies allow the action.
///
/// If the role is in the caller's account and its trust policy names the caller itself, the caller needs no policy that
/// allows the action.
fn may_assume(caller: &Caller, role: &Role, account: &str, role_arn: &str, context: &Context) -> bool {
    const ACTION: &str = "sts:AssumeRole";
    let Some(trust) = role.trust.trusts(caller.as_request_principal(), ACTION, context) else { return false };
    match caller.permission(ACTION, role_arn, context) {
        Permission::Allowed => true,
        Permission::ExplicitDeny => false,
        Permission::ImplicitDeny => caller.account == account && trust == TrustMatch::Principal,
    }
}
