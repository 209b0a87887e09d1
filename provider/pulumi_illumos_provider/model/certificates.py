"""Certificates and keys as PEM: read, brought into one form, and what they tell."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization

_PEM = serialization.Encoding.PEM


@dataclass(frozen=True)
class Told:
    """What a certificate tells.

    Attributes:
        fingerprint: SHA-256, as pairs of hexadecimal digits with colons between them.
        expires: until when it is valid, in UTC.
        names: the host names that it is for.
    """

    fingerprint: str
    expires: datetime
    names: tuple[str, ...]

    def covers(self, hostname: str) -> bool:
        """Whether it is for a host name; a wildcard stands for exactly one label (RFC 6125)."""
        return hostname in self.names or f"*.{hostname.partition('.')[2]}" in self.names


def parse_chain(text: str) -> str:
    """Certificates, the server's own first, in the usual form.

    Raises:
        ValueError: there is none, or one that cannot be read.
    """
    try:
        chain = x509.load_pem_x509_certificates(text.encode())
    except ValueError:
        raise ValueError(
            "is not a certificate: give it as PEM, which starts with -----BEGIN CERTIFICATE-----"
        ) from None
    return "".join(certificate.public_bytes(_PEM).decode() for certificate in chain)


def parse_key(text: str) -> str:
    """A private key in the usual form (PKCS #8).

    Raises:
        ValueError: it is none, or has a passphrase. The message does not tell the key.
    """
    try:
        key = serialization.load_pem_private_key(text.encode(), None)
    except TypeError:
        raise ValueError("has a passphrase, for which nobody is there to be asked: decrypt it") from None
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError(
            "is not a private key: give it as PEM, which starts with -----BEGIN PRIVATE KEY-----"
        ) from None
    return key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode()


def belong_together(chain: str, key: str) -> bool:
    """Whether a key is that of the first certificate."""
    kind = serialization.PublicFormat.SubjectPublicKeyInfo
    certificate = x509.load_pem_x509_certificates(chain.encode())[0]
    own = serialization.load_pem_private_key(key.encode(), None)
    return certificate.public_key().public_bytes(_PEM, kind) == own.public_key().public_bytes(_PEM, kind)


def key_digest(key: str) -> str:
    """SHA-256 of a key in the usual form: tells whether two are the same, and not what it is."""
    return hashlib.sha256(key.encode()).hexdigest()


def told(chain: str) -> Told:
    """What the first certificate of a chain tells."""
    certificate = x509.load_pem_x509_certificates(chain.encode())[0]
    digest = certificate.fingerprint(hashes.SHA256()).hex().upper()
    return Told(
        fingerprint=":".join(digest[i : i + 2] for i in range(0, len(digest), 2)),
        expires=certificate.not_valid_after_utc,
        names=_names(certificate),
    )


def expired(found: Told) -> bool:
    """Whether a certificate is not valid any more."""
    return found.expires < datetime.now(UTC)


def _names(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        common = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
        return tuple(str(attribute.value).lower() for attribute in common)
    return tuple(name.lower() for name in extension.value.get_values_for_type(x509.DNSName))
