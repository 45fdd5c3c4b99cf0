"""Clients for Java. Each is a Maven project of its own, because their dependencies exclude each other."""

from pathlib import Path

from matrix.client import Client, Need
from matrix.install import maven

HERE = Path(__file__).resolve().parent
# A short start matters more than speed later.
JAVA = ["java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"]
PROFILES_FILE = "with `AWS_CREDENTIAL_PROFILES_FILE`"
PROFILE_PROVIDER = Need(
    "with `fs.s3a.aws.credentials.provider` set to the SDK's `ProfileCredentialsProvider`",
    {"S3A_CREDENTIALS_PROVIDER": "software.amazon.awssdk.auth.credentials.ProfileCredentialsProvider"},
)


def java_client(name, title, folder, **more):
    def command(place):
        return [*JAVA, "-cp", f"{place}/target/classes:{place}/target/dependency/*", "Probe"]

    return Client(name, title, name, maven(HERE / folder), command, patience=60, **more)


CLIENTS = [
    java_client("java-v2", "Java v2 2.57.8", "v2", core=True),
    java_client("java-v1", "Java v1 1.12.797", "v1", core=True, fails={"RT": "sends the token with the full URI only"}, needs={
        "CF": Need(PROFILES_FILE, {"AWS_CREDENTIAL_PROFILES_FILE": "{AWS_SHARED_CREDENTIALS_FILE}"}),
        "CP": Need(PROFILES_FILE, {"AWS_CREDENTIAL_PROFILES_FILE": "{AWS_CONFIG_FILE}"}),
    }),
    java_client("hadoop-s3a", "Hadoop S3A 3.4.3", "s3a", service="s3", needs={"CF": PROFILE_PROVIDER, "CP": PROFILE_PROVIDER}),
]
