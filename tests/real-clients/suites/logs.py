"""No secret in the logs of credvend in all other suites, at the most verbose level."""


def run(context, check):
    kinds = context.secrets.kinds()
    for kind in ("AuthorizationToken", "JWT", "SecretAccessKey", "SessionToken"):
        check.that(f"{kinds.get(kind, 0)} secrets of kind {kind} are known", kinds.get(kind, 0) > 0)
    secret = context.secrets.any()
    check.that("the search finds a piece of a secret", context.secrets.found_in(f"…{secret[3:30]}…") != [])

    logs = sorted(context.logs.glob("*-credvend-*.log"))
    size = sum(log.stat().st_size for log in logs)
    check.that(f"{len(logs)} logs of credvend, {size} bytes", len(logs) > 10 and size > 2000, (len(logs), size))
    for log in logs:
        found = context.secrets.found_in(log.read_text(errors="replace"))
        if found:
            check.fail(f"{log.name} contains {', '.join(found)}")
    check.that("no log contains a piece of a secret", check.failed == 0)
