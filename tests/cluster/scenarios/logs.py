"""No log of credvend in any scenario contains a piece of a secret."""

LAST = True


def run(cluster, check):
    cluster.sts_requests()
    kinds = cluster.secrets.kinds()
    check.that(f"known secrets: {', '.join(f'{count} {kind}' for kind, count in kinds.items())}", kinds.get("JWT"))
    check.that("the search finds a secret", cluster.secrets.found_in(f"x{cluster.secrets.any()}x"))
    logs = {name: text for name, text in cluster.credvend_logs.items() if text}
    leaking = {name: found for name, text in logs.items() if (found := cluster.secrets.found_in(text))}
    check.that(f"no secret in {len(logs)} logs of credvend", logs and not leaking, leaking)
