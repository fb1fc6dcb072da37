"""Votes, and the bundles they leave in: one signature for all votes of a loop turn.

A bundle signs the RFC 6962 root of its votes; each vote is self-contained, so its evidence for a third party is the
vote with its place, path and that signature, whatever else left in the same bundle.
"""

from collections.abc import Iterator
from enum import IntEnum
from functools import cached_property, lru_cache
from typing import Annotated

from msgspec import Meta

from ledger import merkle
from ledger.encoding import Noun, Purpose, encode
from ledger.hashing import Digest, DigestField
from ledger.keys import PublicKey, Signature, SignatureField, SigningKey, verify
from ledger.quantities import EraField, HeightField, ValidatorField, ViewField

BUNDLE_VOTES_MAX = 64
"""Most votes under one signature; a path is then at most six digests long."""
VERIFIED_MAX = 4_096
"""Signatures remembered as good, some 2 MB: a vote comes in a bundle, and then in certificates."""
_PATH_MAX = (BUNDLE_VOTES_MAX - 1).bit_length()


class VoteKind(IntEnum):
    """PBFT's phases (Castro & Liskov 1999, 4.2)."""

    PRE_PREPARE = 1
    """The primary assigns the digest to the height."""
    PREPARE = 2
    """A backup accepts that assignment."""
    COMMIT = 3
    """A replica holds a prepared certificate for it."""


class Vote(Noun, frozen=True, kw_only=True):
    """One validator's word in one phase for one block."""

    kind: VoteKind
    era: EraField
    view: ViewField
    height: HeightField
    digest: DigestField
    """Digest of the block's header."""


class VoteProof(Noun, frozen=True, kw_only=True):
    """A validator's signature for one vote: the vote's place in the bundle that was signed."""

    validator: ValidatorField
    index: Annotated[int, Meta(ge=0, le=BUNDLE_VOTES_MAX - 1)]
    size: Annotated[int, Meta(ge=1, le=BUNDLE_VOTES_MAX)]
    """Votes in the bundle."""
    path: Annotated[tuple[DigestField, ...], Meta(max_length=_PATH_MAX)]
    signature: SignatureField

    def verify(self, vote: Vote, key: PublicKey, *, chain_id: Digest) -> None:
        """Raise InvalidProof or InvalidSignature unless `key` signed a bundle with `vote` at this place."""
        root = merkle.root_from_path(merkle.leaf_hash(encode(vote)), index=self.index, size=self.size, path=self.path)
        _verify(key, self.signature, _payload(self.size, root), chain_id)


class VoteBundle(Noun, frozen=True, kw_only=True, dict=True):
    """Votes that left one validator in one loop turn."""

    validator: ValidatorField
    votes: Annotated[tuple[Vote, ...], Meta(min_length=1, max_length=BUNDLE_VOTES_MAX)]
    signature: SignatureField

    @classmethod
    def sign(
        cls, votes: tuple[Vote, ...], *, validator: ValidatorField, key: SigningKey, chain_id: Digest
    ) -> "VoteBundle":
        """Sign a bundle; only `SafetyRules` may call this with a vote key."""
        assert 1 <= len(votes) <= BUNDLE_VOTES_MAX, len(votes)
        return cls(validator=validator, votes=votes, signature=_sign(votes, key, chain_id))

    def verify(self, key: PublicKey, *, chain_id: Digest) -> None:
        """Raise InvalidSignature unless `key` signed exactly these votes."""
        payload = _payload(len(self.votes), self._tree.root)
        _verify(key, self.signature, payload, chain_id)

    def proofs(self) -> Iterator[tuple[Vote, VoteProof]]:
        """Yield each vote with its transferable evidence; verify the bundle first."""
        return iter(self._proofs)

    @cached_property
    def _proofs(self) -> tuple[tuple[Vote, VoteProof], ...]:
        return tuple((vote, self._proof(index)) for index, vote in enumerate(self.votes))

    def _proof(self, index: int) -> VoteProof:
        return VoteProof(
            validator=self.validator,
            index=index,
            size=len(self.votes),
            path=self._tree.path(index),
            signature=self.signature,
        )

    @cached_property
    def _tree(self) -> merkle.Tree:
        return merkle.Tree(encode(vote) for vote in self.votes)


@lru_cache(maxsize=VERIFIED_MAX)
def _verify(key: PublicKey, signature: Signature, payload: bytes, chain_id: Digest) -> None:
    """Raise InvalidSignature as `keys.verify`; a success is remembered under everything that the check depends on."""
    verify(key, signature, Purpose.VOTES, payload, chain_id=chain_id)


def _payload(size: int, root: Digest) -> bytes:
    return encode((size, root))


def _sign(votes: tuple[Vote, ...], key: SigningKey, chain_id: Digest) -> Signature:
    root = merkle.root(encode(vote) for vote in votes)
    return key.sign(Purpose.VOTES, _payload(len(votes), root), chain_id=chain_id)
