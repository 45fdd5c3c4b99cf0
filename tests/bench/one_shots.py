"""Commands that end: `export` and `process`, compared with curl and the AWS CLI."""

from bench import AUTHORIZATION, duration
from figure import Goal, compared
from samples import in_turn

from support.roles import ROLE_A

GROUP = "One-shot commands"


def measure(bench):
    sts, credvend = bench.sts, bench.credvend
    post = bench.post("one-shot commands against curl")
    if post:
        export, process, form = in_turn(
            bench.rounds(150, 40),
            lambda: duration([credvend, "export"], sts.environment),
            lambda: duration([credvend, "process"], sts.environment),
            lambda: duration(post, {}),
        )
        yield compared(GROUP, "`export`", "ms", export, "curl, the same request", form, goal=Goal("≤", 0.28, "×"))
        yield compared(GROUP, "`process`", "ms", process, "curl, the same request", form)
        with bench.protected_sidecar() as sidecar:
            url = f"http://{sidecar.address}/v1/credentials"
            environment = {"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(bench.scratch / "authorization")}
            command = [credvend, "process", "--from-endpoint", url]
            get = ["curl", "--silent", "--fail", "--output", "/dev/null", "--header", f"Authorization: {AUTHORIZATION}", url]
            ours, others = in_turn(
                bench.rounds(150, 20),
                lambda: duration(command, environment),
                lambda: duration(get, {}),
            )
        yield compared(GROUP, "`process --from-endpoint`", "ms", ours, "curl, the same request", others)
    if bench.aws:
        assume = [
            bench.aws, "sts", "assume-role-with-web-identity", "--role-arn", ROLE_A, "--role-session-name", "bench",
            "--web-identity-token", sts.form()["WebIdentityToken"], "--endpoint-url", sts.url, "--region", "eu-central-1",
        ]
        export, cli = in_turn(
            15,
            lambda: duration([credvend, "export"], sts.environment),
            lambda: duration(assume, {"HOME": str(bench.scratch)}),
        )
        yield compared(GROUP, "`export`", "ms", export, "AWS CLI, the same request", cli)
