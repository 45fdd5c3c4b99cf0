"""Certificates for TLS servers, from a certificate authority that lives as long as the process."""

import datetime
import ipaddress
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

NAMES = ("localhost", "127.0.0.1")


def _name(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _builder(subject, issuer, key, days, since):
    now = datetime.datetime.now(datetime.timezone.utc)
    return (
        x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=since)).not_valid_after(now + datetime.timedelta(days=days))
    )


class Authority:
    """A certificate authority, possibly below another one."""

    def __init__(self, name="attack CA", parent=None, padding=0):
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.parent = parent
        issuer, signer = (parent.certificate.subject, parent.key) if parent else (_name(name), self.key)
        builder = _builder(_name(name), issuer, self.key, 30, 1).add_extension(x509.BasicConstraints(True, None), True)
        if padding:
            unknown = x509.ObjectIdentifier("1.3.6.1.4.1.99999.1")
            builder = builder.add_extension(x509.UnrecognizedExtension(unknown, bytes(padding)), False)
        self.certificate = builder.sign(signer, hashes.SHA256())

    @property
    def pem(self):
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def chain(self):
        """Returns the certificates from this authority up to the one below the root."""
        return [] if self.parent is None else [self, *self.parent.chain()]

    def issue(self, file, names=NAMES, days=30, since=1, self_signed=False):
        """Writes a server certificate with its chain and key into a file, and returns the file."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = _name("attack server")
        issuer, signer = (subject, key) if self_signed else (self.certificate.subject, self.key)
        alternatives = [x509.IPAddress(ipaddress.ip_address(name)) if name[0].isdigit() else x509.DNSName(name) for name in names]
        certificate = (
            _builder(subject, issuer, key, days, since)
            .add_extension(x509.SubjectAlternativeName(alternatives), False).sign(signer, hashes.SHA256())
        )
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption(),
        ) + certificate.public_bytes(serialization.Encoding.PEM)
        file = Path(file)
        file.write_bytes(pem + b"".join(authority.pem for authority in self.chain()))
        return file
