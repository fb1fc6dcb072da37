"""Validators and the set of them that one era's certificates are checked against."""

from functools import cached_property
from typing import Annotated

from msgspec import Meta

from ledger.encoding import Noun, encode
from ledger.errors import InputError
from ledger.hashing import Digest, sha256
from ledger.keys import PublicKey, PublicKeyField
from ledger.quantities import (
    VALIDATORS_MAX,
    VALIDATORS_MIN,
    Name,
    ValidatorField,
    ValidatorId,
    faulty_max,
    quorum,
    weak_quorum,
)

CertificateDer = Annotated[bytes, Meta(min_length=64, max_length=2048)]
"""A self-signed X.509 certificate in DER: the only trust anchor for that validator's links."""
Address = Annotated[str, Meta(min_length=3, max_length=260, pattern=r"\A[A-Za-z0-9.:\[\]-]+:[0-9]{1,5}\Z")]
"""host:port."""
Url = Annotated[str, Meta(max_length=260, pattern=r"\Ahttps?://[!-~]+\Z")]
"""Base of a REST interface."""


class Validator(Noun, frozen=True, kw_only=True):
    """A member of the validator set and its public keys."""

    id: ValidatorField
    """Registry number; the set is sorted by it."""
    organisation: Name
    """Who runs it."""
    vote_key: PublicKeyField
    """Signs votes, view changes and new views; held by `SafetyRules` alone."""
    service_key: PublicKeyField
    """Signs the validator's transactions and HOLDs; never votes."""
    log_head_key: PublicKeyField
    """Cosigns log heads of appended blocks."""
    link_certificate: CertificateDer
    """Identifies the validator on TLS links."""

    @property
    def key_names(self) -> tuple[Digest, ...]:
        """Return what marks each of its keys as taken for good: digests, since a certificate is long."""
        held = (self.vote_key, self.service_key, self.log_head_key, self.link_certificate)
        return tuple(sha256(key) for key in held)


class ValidatorSet:
    """The validators of one era, sorted by id, with the quorums that follow from their number."""

    def __init__(self, members: tuple[Validator, ...]) -> None:
        """Raise InputError unless there are 4 to 25 members, sorted by id, with no vote or service key used twice."""
        count = len(members)
        if not VALIDATORS_MIN <= count <= VALIDATORS_MAX:
            raise InputError("validator set", expected=f"{VALIDATORS_MIN} to {VALIDATORS_MAX} members", got=count)
        ids = [member.id for member in members]
        if ids != sorted(set(ids)):
            raise InputError("validator set", expected="distinct ids in ascending order", got=ids)
        keys = [key for member in members for key in (member.vote_key, member.service_key, member.log_head_key)]
        if len(set(keys)) != len(keys):
            raise InputError("validator set", expected="every key once", got="a key used twice")
        self.members = members
        self._by_id = {member.id: member for member in members}
        self.size = count
        self.faulty_max = faulty_max(count)
        self.quorum = quorum(count)
        self.weak_quorum = weak_quorum(count)

    @cached_property
    def digest(self) -> Digest:
        """What block headers name this set by."""
        return sha256(encode(self.members))

    @property
    def ids(self) -> tuple[ValidatorId, ...]:
        """Ids in ascending order."""
        return tuple(self._by_id)

    def get(self, validator: ValidatorId) -> Validator | None:
        """Return the member with this id, if there is one."""
        return self._by_id.get(validator)

    def __contains__(self, validator: ValidatorId) -> bool:
        return validator in self._by_id

    def vote_key(self, validator: ValidatorId) -> PublicKey:
        """Return a member's vote key; raises InputError for a stranger."""
        member = self._by_id.get(validator)
        if member is None:
            raise InputError("validator", expected=f"one of {list(self.ids)}", got=validator)
        return member.vote_key

    def primary(self, *, first_height: int, view: int) -> ValidatorId:
        """Return the primary of `view` in the era that began at `first_height`."""
        return self.members[(first_height + view) % self.size].id
