"""AWS signatures, version 4."""

import hashlib
import hmac
import re
from urllib.parse import parse_qsl, quote

AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=([^/]+)/([0-9]{8})/([^/]+)/([^/]+)/aws4_request, ?"
    r"SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})"
)


def access_key(headers):
    """Returns the access key ID of a request, or None if the request is not signed."""
    match = AUTHORIZATION.match(headers.get("authorization", ""))
    return match and match[1]


def is_signed_with(secret, method, target, headers, body):
    """Returns true if the signature in `headers` (lower-case names) is that of this secret access key."""
    match = AUTHORIZATION.match(headers.get("authorization", ""))
    if not match:
        return False
    _, date, region, service, names, signature = match.groups()
    expected = signature_of(secret, method, target, headers, names, f"{date}/{region}/{service}/aws4_request", body)
    return hmac.compare_digest(expected, signature)


def signature_of(secret, method, target, headers, names, scope, body):
    """Returns the signature of a request. `headers` have lower-case names, of which `names` are signed, with `;` between them."""
    path, _, query = target.partition("?")
    pairs = sorted((quote(name, safe="-_.~"), quote(value, safe="-_.~")) for name, value in parse_qsl(query, keep_blank_values=True))
    canonical = "\n".join([
        method,
        path,
        "&".join(f"{name}={value}" for name, value in pairs),
        *(f"{name}:{' '.join(headers.get(name, '').split())}" for name in names.split(";")),
        "",
        names,
        headers.get("x-amz-content-sha256") or hashlib.sha256(body).hexdigest(),
    ])
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    text = "\n".join(["AWS4-HMAC-SHA256", headers.get("x-amz-date", ""), scope, digest])
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.digest(key, text.encode(), "sha256").hex()
