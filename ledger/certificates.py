"""Certificates: transferable proof that a quorum of one validator set voted alike in one view."""

from typing import Annotated

from msgspec import Meta

from ledger.blocks import Block, BlockHeader
from ledger.encoding import Noun
from ledger.errors import InputError, InvalidCertificate, VerificationFailed
from ledger.hashing import Digest, DigestField
from ledger.quantities import VALIDATORS_MAX, EraField, HeightField, ValidatorId, ViewField
from ledger.validators import ValidatorSet
from ledger.votes import Vote, VoteKind, VoteProof

Proofs = Annotated[tuple[VoteProof, ...], Meta(max_length=VALIDATORS_MAX)]


class CommitCertificate(Noun, frozen=True, kw_only=True):
    """Proof of finality: exactly a quorum of commits of one view for one digest.

    It finalises the block and, by the prefix rule, all its ancestors. Several valid ones may exist for a block; nothing
    hashed or in state depends on which one a node holds.
    """

    era: EraField
    view: ViewField
    height: HeightField
    digest: DigestField
    commits: Proofs
    """Sorted by validator, each once."""

    def verify(self, validators: ValidatorSet, *, chain_id: Digest) -> None:
        """Raise InvalidCertificate unless this is a quorum of `validators`' valid commits."""
        vote = Vote(kind=VoteKind.COMMIT, era=self.era, view=self.view, height=self.height, digest=self.digest)
        _check_signers([proof.validator for proof in self.commits], needed=validators.quorum)
        for proof in self.commits:
            _verify_proof(proof, vote, validators, chain_id)

    def verify_for(self, header: BlockHeader, validators: ValidatorSet, *, chain_id: Digest) -> None:
        """Raise InvalidCertificate unless this finalises the block with `header` itself."""
        expected = (header.era, header.height, header.digest)
        got = (self.era, self.height, self.digest)
        if got != expected:
            raise InvalidCertificate(
                "subject of the commit certificate (era, height, digest)",
                expected=_subject(*expected),
                got=_subject(*got),
            )
        self.verify(validators, chain_id=chain_id)


class CertifiedBlock(Noun, frozen=True, kw_only=True):
    """A block with its own certificate, or none where a descendant's covers it."""

    block: Block
    certificate: CommitCertificate | None


class PreparedCertificate(Noun, frozen=True, kw_only=True):
    """A pre-prepare and a quorum less one of matching prepares: no other digest can be prepared there in that view."""

    header: BlockHeader
    view: ViewField
    pre_prepare: VoteProof
    """The primary's; its own prepare never counts."""
    prepares: Proofs
    """Of distinct backups, sorted by validator."""

    def verify(self, validators: ValidatorSet, *, primary: ValidatorId, chain_id: Digest) -> None:
        """Raise InvalidCertificate unless this is valid with `primary` as primary of its view."""
        if self.pre_prepare.validator != primary:
            raise InvalidCertificate(
                f"pre-prepare of view {self.view}", expected=f"validator {primary}'s", got=self.pre_prepare.validator
            )
        signers = [proof.validator for proof in self.prepares]
        _check_signers(signers, needed=validators.quorum - 1)
        if primary in signers:
            raise InvalidCertificate("prepares", expected=f"backups of validator {primary}", got="its own prepare")
        _verify_proof(self.pre_prepare, self._vote(VoteKind.PRE_PREPARE), validators, chain_id)
        for proof in self.prepares:
            _verify_proof(proof, self._vote(VoteKind.PREPARE), validators, chain_id)

    def _vote(self, kind: VoteKind) -> Vote:
        header = self.header
        return Vote(kind=kind, era=header.era, view=self.view, height=header.height, digest=header.digest)


def _check_signers(signers: list[ValidatorId], *, needed: int) -> None:
    if len(signers) != needed or signers != sorted(set(signers)):
        raise InvalidCertificate("signers", expected=f"{needed} distinct validators in ascending order", got=signers)


def _verify_proof(proof: VoteProof, vote: Vote, validators: ValidatorSet, chain_id: Digest) -> None:
    try:
        proof.verify(vote, validators.vote_key(proof.validator), chain_id=chain_id)
    except (InputError, VerificationFailed) as error:
        raise InvalidCertificate(f"{vote.kind.name} of validator {proof.validator}: {error}") from error


def _subject(era: int, height: int, digest: Digest) -> str:
    return f"({era}, {height}, {digest.hex()})"
