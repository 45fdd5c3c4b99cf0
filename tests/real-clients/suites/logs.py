"""No secret in anything that credvend wrote to stderr, at the loudest level, in all the other suites."""


def run(world, check):
    kinds = world.secrets.kinds()
    for kind in ("AuthorizationToken", "JWT", "SecretAccessKey", "SessionToken"):
        check.that(f"{kinds.get(kind, 0)} of kind {kind} to look for", kinds.get(kind, 0) > 0)
    planted = world.secrets.any()
    check.that("a planted piece of one is found", world.secrets.found_in(f"…{planted[3:30]}…") != [])

    logs = sorted(world.logs.glob("*-credvend-*.log"))
    sizes = sum(log.stat().st_size for log in logs)
    check.that(f"{len(logs)} logs of credvend, {sizes} bytes", len(logs) > 10 and sizes > 2000, (len(logs), sizes))
    for log in logs:
        found = world.secrets.found_in(log.read_text(errors="replace"))
        if found:
            check.fail(f"{log.name} holds {', '.join(found)}")
    check.that("none of them holds a piece of a secret", check.failed == 0)
