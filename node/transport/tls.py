"""TLS of one node: version 1.3, mutual, with the link certificates that the chain records as the only trust anchors.

OpenSSL checks that the other side holds the key of a certificate under these anchors, and its dates. Who that is, is
decided by `peer_of` alone: byte equality with the certificate recorded for a validator or learner. Names in
certificates mean nothing, and no session is resumed, so that every connection proves its key anew. When the chain
records others, `use` takes effect for the connections that begin from then on.
"""

import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

from ledger.errors import InputError
from ledger.quantities import ValidatorId
from node.transport.certificates import certificate_in, valid_until
from node.transport.errors import LinkRefused, UnusableCredential

Parties: TypeAlias = Sequence[tuple[ValidatorId, bytes]]
"""Who may be at the other end, and by which certificate; while keys change hands one may have two."""


class LinkTls:
    """The TLS contexts of one node, for both ends of its links."""

    identity: ValidatorId | None
    """Who we are; None as long as the chain as it is known here has no number for us."""
    parties: Parties
    """Everybody with a number, ourselves included."""
    unusable: tuple[ValidatorId, ...]
    """Validators whose recorded bytes are no certificate: they can have no links, the others are not affected."""
    server: ssl.SSLContext
    client: ssl.SSLContext

    def __init__(self, credential: Path, *, identity: ValidatorId | None, parties: Parties) -> None:
        """Load the credential file (`LinkCredential.pem`).

        Raises UnusableCredential unless it is readable and holds the certificate that is recorded for `identity`, if
        there is one, and its key.
        """
        try:
            pem = credential.read_bytes()
        except OSError as error:
            raise UnusableCredential(f"link credential {credential}", expected="a readable file", got=error) from error
        if identity is not None and (identity, certificate_in(pem)) not in parties:
            raise UnusableCredential(
                f"link credential {credential}",
                expected=f"the certificate that the chain records for validator {identity}",
                got="another",
            )
        self.use(credential, identity=identity, parties=parties)

    def use(self, credential: Path, *, identity: ValidatorId | None, parties: Parties) -> None:
        """Begin new connections with this credential, and trust these certificates; raises UnusableCredential."""
        try:
            server = _context(ssl.PROTOCOL_TLS_SERVER, credential)
            client = _context(ssl.PROTOCOL_TLS_CLIENT, credential)
        except ssl.SSLError as error:
            raise UnusableCredential(
                f"link credential {credential}", expected="a certificate and its unencrypted key", got=error
            ) from error
        except OSError as error:
            raise UnusableCredential(f"link credential {credential}", expected="a readable file", got=error) from error
        server.num_tickets = 0
        self.unusable = tuple(
            each
            for each, certificate in parties
            if not all(_trust(context, certificate) for context in (server, client))
        )
        self.server, self.client = server, client
        self.identity, self.parties = identity, parties


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


def peer_of(tls: ssl.SSLObject, parties: Parties) -> ValidatorId:
    """Return who is at the other end of a finished handshake; raises LinkRefused unless it is exactly one party."""
    presented = tls.getpeercert(binary_form=True)
    owners = [party for party, certificate in parties if certificate == presented]
    if len(owners) != 1:
        raise LinkRefused(
            "link certificate",
            expected="one recorded for one validator",
            got=f"one recorded for {owners}" if owners else "another",
        )
    return owners[0]
