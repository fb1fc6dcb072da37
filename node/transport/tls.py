"""TLS of one validator: version 1.3, mutual, with the validator set's link certificates as the only trust anchors.

OpenSSL checks that the other side holds the key of a certificate under these anchors, and its dates. Who that is, is
decided by `peer_of` alone: byte equality with the certificate recorded for a validator. Names in certificates mean
nothing, and no session is resumed, so that every connection proves its key anew.
"""

import ssl
from pathlib import Path

from ledger.errors import InputError
from ledger.quantities import ValidatorId
from ledger.validators import ValidatorSet
from node.transport.certificates import certificate_in, valid_until
from node.transport.errors import LinkRefused, UnusableCredential


class LinkTls:
    """The TLS contexts of one validator, for both ends of its links."""

    identity: ValidatorId
    """Who we are."""
    validators: ValidatorSet
    """Who may be at the other end."""
    unusable: tuple[ValidatorId, ...]
    """Validators whose recorded bytes are no certificate: they can have no links, the others are not affected."""
    server: ssl.SSLContext
    client: ssl.SSLContext

    def __init__(self, credential: Path, *, identity: ValidatorId, validators: ValidatorSet) -> None:
        """Load the credential file (`LinkCredential.pem`).

        Raises UnusableCredential unless it is readable and holds the certificate that the set records for `identity`,
        and its key.
        """
        self.identity = identity
        self.validators = validators
        member = validators.get(identity)
        try:
            pem = credential.read_bytes()
        except OSError as error:
            raise UnusableCredential(f"link credential {credential}", expected="a readable file", got=error) from error
        if member is None or certificate_in(pem) != member.link_certificate:
            raise UnusableCredential(
                f"link credential {credential}",
                expected=f"the certificate that the validator set records for validator {identity}",
                got="another",
            )
        try:
            self.server = _context(ssl.PROTOCOL_TLS_SERVER, credential)
            self.client = _context(ssl.PROTOCOL_TLS_CLIENT, credential)
        except ssl.SSLError as error:
            raise UnusableCredential(
                f"link credential {credential}", expected="a certificate and its unencrypted key", got=error
            ) from error
        self.server.num_tickets = 0
        self.unusable = tuple(
            each.id
            for each in validators.members
            if not all(_trust(context, each.link_certificate) for context in (self.server, self.client))
        )


def _context(protocol: int, credential: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(protocol)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False
    context.verify_mode = ssl.CERT_REQUIRED
    # A recorded certificate is trusted as it stands. Without this flag OpenSSL looks for its issuer by name first, so
    # that a validator which records a certificate in another's name could keep that one from all of its links.
    context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN
    # An encrypted key would otherwise make OpenSSL ask at the terminal.
    context.load_cert_chain(credential, password="")
    return context


def _trust(context: ssl.SSLContext, certificate: bytes) -> bool:
    """Add one trust anchor, by itself: bytes that are no certificate must not spoil those of other validators."""
    try:
        # OpenSSL overlooks some bytes after a certificate.
        valid_until(certificate)
        context.load_verify_locations(cadata=certificate)
    except (InputError, ssl.SSLError):
        return False
    return True


def peer_of(tls: ssl.SSLObject, validators: ValidatorSet) -> ValidatorId:
    """Return who is at the other end of a finished handshake; raises LinkRefused unless it is exactly one validator."""
    presented = tls.getpeercert(binary_form=True)
    owners = [member.id for member in validators.members if member.link_certificate == presented]
    if len(owners) != 1:
        raise LinkRefused(
            "link certificate",
            expected="one recorded for one validator",
            got=f"one recorded for {owners}" if owners else "another",
        )
    return owners[0]
