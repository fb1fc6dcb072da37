"""A validator set with real link certificates, for the tests of transport."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ledger.quantities import TimeMs, ValidatorId
from ledger.validators import Validator, ValidatorSet
from node.transport.certificates import LinkCredential, make_link_credential
from node.transport.tls import LinkTls, Parties
from tests.consortium import signing_key

NOW = TimeMs(time.time_ns() // 10**6)


@dataclass(frozen=True, slots=True, kw_only=True)
class Members:
    """A validator set with real link certificates, and the files of the keys behind them."""

    validators: ValidatorSet
    files: Mapping[ValidatorId, Path]

    def tls(self, identity: int) -> LinkTls:
        number = ValidatorId(identity)
        return LinkTls(self.files[number], identity=number, parties=parties(self.validators))


def parties(validators: ValidatorSet) -> Parties:
    """Return who may be at the other end of a validator's links."""
    return [(member.id, member.link_certificate) for member in validators.members]


def validator(number: int, certificate: bytes) -> Validator:
    vote, service, log_head = (signing_key(f"{number}/{kind}").public for kind in ("vote", "service", "log-head"))
    return Validator(
        id=ValidatorId(number),
        organisation=f"org-{number:02}",
        vote_key=vote,
        service_key=service,
        log_head_key=log_head,
        link_certificate=certificate,
    )


def credential(number: int, *, now: TimeMs = NOW) -> LinkCredential:
    return make_link_credential(f"org-{number:02}", now=now)


def members(folder: Path, count: int = 4, *, certificates: Mapping[int, bytes] | None = None) -> Members:
    """Make a set; `certificates` replaces what it records for some."""
    files, recorded = {}, []
    for number in range(count):
        own = credential(number)
        path = folder / f"{number}.pem"
        path.write_bytes(own.pem)
        files[ValidatorId(number)] = path
        recorded.append(validator(number, (certificates or {}).get(number, own.certificate)))
    return Members(validators=ValidatorSet(tuple(recorded)), files=files)
