"""Tokens of service accounts that no key has signed."""

import base64
import json
import time


def unsigned_token(**claims):
    """Returns a token with the claims of a service account token, and these claims in their place."""
    now = int(time.time())
    claims = {
        "iss": "https://issuer.example",
        "aud": ["sts.amazonaws.com"],
        "sub": "system:serviceaccount:shop:checkout",
        "iat": now,
        "nbf": now,
        "exp": now + 3600,
        "kubernetes.io": {"namespace": "shop", "pod": {"name": "checkout-0", "uid": "0"}},
        **claims,
    }
    parts = [json.dumps({"alg": "RS256", "typ": "JWT"}), json.dumps(claims), "no signature"]
    return ".".join(base64.urlsafe_b64encode(part.encode()).decode().rstrip("=") for part in parts)
