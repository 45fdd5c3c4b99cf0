"""The certificate authority, certificates and keys of the cluster, and a kubeconfig for each client."""

import json
import subprocess

from stage.namespaces import ISSUER_HOST, NODE_ADDRESS

SERVER = f"https://{NODE_ADDRESS}:443"
NODE = "node-1"
# The first address of SERVICE_NETWORK.
SERVICE_ADDRESS = "10.203.0.1"
NAMES = ["kubernetes", "kubernetes.default", "kubernetes.default.svc", "localhost", ISSUER_HOST]
ADDRESSES = ["127.0.0.1", NODE_ADDRESS, SERVICE_ADDRESS]
SERVER_NAMES = ",".join([f"DNS:{name}" for name in NAMES] + [f"IP:{address}" for address in ADDRESSES])
EC_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
# The subject of each client. The API server and the kubelet have the same certificate as servers.
CLIENTS = {
    "admin": "/O=system:masters/CN=admin",
    "controller-manager": "/CN=system:kube-controller-manager",
    "scheduler": "/CN=system:kube-scheduler",
    "kubelet": f"/O=system:nodes/CN=system:node:{NODE}",
    "apiserver-kubelet-client": "/O=system:masters/CN=apiserver-kubelet-client",
}


def create(directory):
    directory.mkdir(mode=0o700)
    openssl(
        directory, "req", "-x509", *EC_KEY, "-keyout", "ca.key", "-out", "ca.crt", "-days", "30", "-subj", "/CN=cluster-ca",
        "-addext", "keyUsage=critical,keyCertSign,digitalSignature",
    )
    for name, subject, extensions in [
        ("server", "/CN=kube-apiserver", f"subjectAltName={SERVER_NAMES}\nextendedKeyUsage=serverAuth\n"),
        ("kubelet-server", f"/CN={NODE}", f"subjectAltName=DNS:{NODE},IP:{NODE_ADDRESS}\nextendedKeyUsage=serverAuth\n"),
        *((name, subject, "extendedKeyUsage=clientAuth\n") for name, subject in CLIENTS.items()),
    ]:
        issue(directory, name, subject, extensions)
    # It signs the tokens of service accounts with RS256.
    openssl(directory, "genrsa", "-out", "service-accounts.key", "2048")
    openssl(directory, "rsa", "-in", "service-accounts.key", "-pubout", "-out", "service-accounts.pub")
    for name in CLIENTS:
        (directory / f"{name}.kubeconfig").write_text(json.dumps(kubeconfig(directory, name)))


def issue(directory, name, subject, extensions):
    """Creates a key and a certificate of the cluster's authority."""
    (directory / "extensions").write_text(extensions)
    openssl(directory, "req", *EC_KEY, "-keyout", f"{name}.key", "-out", "request.csr", "-subj", subject)
    openssl(
        directory, "x509", "-req", "-in", "request.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial",
        "-days", "30", "-extfile", "extensions", "-out", f"{name}.crt",
    )


def kubeconfig(directory, client):
    return {
        "apiVersion": "v1", "kind": "Config", "current-context": "cluster",
        "clusters": [{"name": "cluster", "cluster": {"server": SERVER, "certificate-authority": str(directory / "ca.crt")}}],
        "users": [{"name": client, "user": {
            "client-certificate": str(directory / f"{client}.crt"), "client-key": str(directory / f"{client}.key"),
        }}],
        "contexts": [{"name": "cluster", "context": {"cluster": "cluster", "user": client}}],
    }


def openssl(directory, *arguments):
    subprocess.run(["openssl", *arguments], cwd=directory, check=True, capture_output=True)
