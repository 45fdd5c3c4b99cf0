"""No log of credvend in any scenario contains a piece of a secret."""


def run(cluster, check):
    cluster.sts.requests()
    kinds = cluster.secrets.kinds()
    check.that(f"known secrets: {', '.join(f'{count} {kind}' for kind, count in kinds.items())}", kinds.get("JWT"))
    check.that("the search finds a secret", cluster.secrets.found_in(f"x{cluster.secrets.any()}x"))
    logs = {log.name: log.read_text() for log in sorted(cluster.logs.iterdir())}
    written = [name for name, text in logs.items() if text]
    check.that(f"{len(written)} containers wrote logs", written)
    for name in written:
        check.that(f"no secret in {name}", not (found := cluster.secrets.found_in(logs[name])), found)
