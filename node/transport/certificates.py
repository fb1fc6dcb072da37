"""Link credentials: an Ed25519 key for TLS and the self-signed X.509 certificate (RFC 5280, RFC 8410) that names it.

The certificate is recorded in the validator set and is trusted because it stands there; its contents are for people.
It may sign nothing (no CA, digital signatures only), so a link key cannot make certificates for others. The key is for
TLS alone; signatures that may be judged are made in `ledger.keys`.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from ledger.errors import InputError
from ledger.quantities import Name, TimeMs
from node.transport.errors import UnusableCredential

VALIDITY = timedelta(days=3650)
"""From its making; a membership transaction replaces a certificate long before."""
CLOCK_SKEW = timedelta(days=1)
"""A certificate is valid from so long before its making: clocks of members differ."""

_UNREADABLE = (ValueError, x509.InvalidVersion)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkCredential:
    """A link certificate and its private key."""

    certificate: bytes
    """DER; public, goes into the validator's descriptor."""
    key: bytes = field(repr=False)
    """PKCS #8 in PEM, not encrypted; never leaves the host."""

    @property
    def pem(self) -> bytes:
        """Contents of the one file that `LinkTls` loads: key, then certificate."""
        return self.key + x509.load_der_x509_certificate(self.certificate).public_bytes(Encoding.PEM)


def make_link_credential(organisation: str, *, now: TimeMs) -> LinkCredential:
    """Make a new key and a certificate for it in the organisation's name; raises InputError for what is no name."""
    try:
        msgspec.convert(organisation, Name)
    except msgspec.ValidationError:
        raise InputError(
            "organisation", expected="lower-case letters, digits and hyphens, at most 63", got=organisation
        ) from None
    key = Ed25519PrivateKey.generate()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, organisation)])
    made = _EPOCH + timedelta(milliseconds=now)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(made - CLOCK_SKEW)
        .not_valid_after(made + VALIDITY)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_SIGNS_HANDSHAKES_ONLY, critical=True)
        .add_extension(
            x509.SubjectAlternativeName([x509.UniformResourceIdentifier(f"quorate://{organisation}/link")]),
            critical=False,
        )
        .sign(key, algorithm=None)
    )
    return LinkCredential(
        certificate=certificate.public_bytes(Encoding.DER),
        key=key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
    )


_SIGNS_HANDSHAKES_ONLY = x509.KeyUsage(
    digital_signature=True,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=False,
    crl_sign=False,
    encipher_only=False,
    decipher_only=False,
)


def certificate_in(pem: bytes) -> bytes:
    """Return the certificate, in DER, of a credential file; raises UnusableCredential."""
    try:
        return x509.load_pem_x509_certificate(pem).public_bytes(Encoding.DER)
    except _UNREADABLE as error:
        raise UnusableCredential("link credential", expected="a certificate in PEM", got=error) from error


def valid_until(certificate: bytes) -> TimeMs:
    """Return when a certificate (DER) expires and its links stop, for health checks; raises InputError."""
    try:
        end = x509.load_der_x509_certificate(certificate).not_valid_after_utc
    except _UNREADABLE as error:
        raise InputError("link certificate", expected="X.509 in DER", got=error) from error
    return TimeMs((end - _EPOCH) // timedelta(milliseconds=1))
