"""The requests that a local STS recorded."""

EXCHANGES = ("AssumeRoleWithWebIdentity", "AssumeRole")


def select_requests(requests, secrets, actions):
    """Returns the requests for these actions, or all requests, and adds the tokens in all requests to `secrets`."""
    for request in requests:
        for kind, secret in [
            ("JWT", request["parameters"].get("WebIdentityToken")),
            ("SessionToken", request["headers"].get("x-amz-security-token")),
        ]:
            if secret:
                secrets.add(kind, secret)
    return [request for request in requests if not actions or request["action"] in actions]
