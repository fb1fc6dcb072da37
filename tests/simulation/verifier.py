"""A second opinion on blocks and certificates, which shares no code with the engine or the ledger: hashes, keys, bytes.

Whatever the ledger's own verification lets pass by mistake would also be let pass by a checker that called it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

import msgspec
from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey

from consensus.messages import NewView, ViewChange
from ledger.blocks import Block, BlockHeader
from ledger.certificates import CommitCertificate, PreparedCertificate
from ledger.quantities import ValidatorId
from ledger.votes import Vote, VoteProof

PRE_PREPARE, PREPARE, COMMIT = 1, 2, 3


class Refused(AssertionError):
    """A block or certificate is not what it says it is."""


@dataclass(frozen=True, slots=True)
class Electorate:
    """Who votes in one era."""

    keys: Mapping[ValidatorId, bytes]
    root: BlockHeader
    """Last block of the era before."""

    @property
    def quorum(self) -> int:
        """So many that no two groups of them share faulty members only."""
        faulty = (len(self.keys) - 1) // 3
        return next(count for count in range(len(self.keys) + 1) if 2 * count - len(self.keys) > faulty)

    def primary(self, view: int) -> ValidatorId:
        """Return whose turn it is to propose."""
        return sorted(self.keys)[(self.root.height + 1 + view) % len(self.keys)]


def digest_of(header: BlockHeader) -> bytes:
    """Return a block's name."""
    fields = [getattr(header, name) for name in header.__struct_fields__]
    return sha256(msgspec.msgpack.encode(fields)).digest()


def check_block(block: Block) -> None:
    """Raise Refused unless a block's transactions are those that its header commits to."""
    if root_of(block.transactions) != block.header.transactions_root:
        raise Refused(f"transactions of block {block.header.height} are not those of its header")


def check_certificate(
    certificate: CommitCertificate, header: BlockHeader, electorate: Electorate, chain_id: bytes
) -> None:
    """Raise Refused unless so many have signed commits of one view to this header that no other can have as many."""
    subject = (certificate.era, certificate.height, certificate.digest)
    if subject != (header.era, header.height, digest_of(header)):
        raise Refused(f"a certificate of another block than {header.height}")
    _check_commits(certificate, electorate, chain_id)


def _check_commits(certificate: CommitCertificate, electorate: Electorate, chain_id: bytes) -> None:
    _check_signers(certificate.commits, electorate, needed=electorate.quorum)
    vote = [COMMIT, certificate.era, certificate.view, certificate.height, certificate.digest]
    for proof in certificate.commits:
        _check_signature(proof, vote, electorate, chain_id)


def check_prepared(certificate: PreparedCertificate, electorate: Electorate, chain_id: bytes) -> None:
    """Raise Refused unless the primary of the view and a quorum less one of backups have signed to this header."""
    header, primary = certificate.header, electorate.primary(certificate.view)
    if certificate.pre_prepare.validator != primary:
        raise Refused(f"a pre-prepare of {certificate.pre_prepare.validator}, not of {primary}")
    _check_signers(certificate.prepares, electorate, needed=electorate.quorum - 1)
    if primary in [proof.validator for proof in certificate.prepares]:
        raise Refused(f"a prepare of {primary}, who proposed the block")
    rest = [header.era, certificate.view, header.height, digest_of(header)]
    _check_signature(certificate.pre_prepare, [PRE_PREPARE, *rest], electorate, chain_id)
    for proof in certificate.prepares:
        _check_signature(proof, [PREPARE, *rest], electorate, chain_id)


def check_vote(proof: VoteProof, vote: Vote, electorate: Electorate, chain_id: bytes) -> None:
    """Raise Refused unless that vote is signed."""
    fields = [int(vote.kind), vote.era, vote.view, vote.height, vote.digest]
    _check_signature(proof, fields, electorate, chain_id)


def check_new_view(
    new_view: NewView, changes: Sequence[ViewChange], electorate: Electorate, chain_id: bytes
) -> tuple[int, dict[int, bytes]]:
    """Return where a view starts, base and choices; raise Refused unless that is what its view changes lead to."""
    payload = new_view.payload
    signers = [change.payload.validator for change in changes]
    if signers != sorted(set(signers) & set(electorate.keys)) or len(signers) != electorate.quorum:
        raise Refused(f"NEW-VIEW of the view changes of {signers}")
    named = tuple(sha256(msgspec.msgpack.encode(change.payload)).digest() for change in changes)
    if named != payload.view_changes or payload.validator != electorate.primary(payload.view):
        raise Refused("NEW-VIEW names others, or is somebody else's")
    for change in changes:
        _check_view_change(change, payload.era, payload.view, electorate, chain_id)
    base, choices = _walk(changes, electorate)
    got = (payload.base.height, [(choice.height, choice.digest) for choice in payload.choices])
    if got != (base, list(choices.items())):
        raise Refused(f"NEW-VIEW({payload.view}) begins with {got}, not at {base} with {len(choices)} block(s)")
    return base, choices


def _check_view_change(change: ViewChange, era: int, view: int, electorate: Electorate, chain_id: bytes) -> None:
    told = change.payload
    if (told.era, told.view) != (era, view):
        raise Refused(f"a view change for view {told.view} in NEW-VIEW({view})")
    if told.certificate is not None:
        _check_commits(told.certificate, electorate, chain_id)
    for held in told.prepared:
        check_prepared(held, electorate, chain_id)
        if held.view >= view:
            raise Refused(f"a certificate of view {held.view} in VIEW-CHANGE({view})")


def _walk(changes: Sequence[ViewChange], electorate: Electorate) -> tuple[int, dict[int, bytes]]:
    """Return the highest certified height, and the chain of what was prepared in the highest view above it."""
    base, digest = electorate.root.height, digest_of(electorate.root)
    best: dict[int, PreparedCertificate] = {}
    for change in changes:
        certificate = change.payload.certificate
        if certificate is not None and certificate.height > base:
            base, digest = certificate.height, certificate.digest
        for held in change.payload.prepared:
            known = best.get(held.header.height)
            if known is None or known.view < held.view:
                best[held.header.height] = held
    choices: dict[int, bytes] = {}
    height = base + 1
    while height in best and best[height].header.parent == digest:
        digest = choices[height] = digest_of(best[height].header)
        height += 1
    return base, choices


def _check_signers(proofs: Sequence[VoteProof], electorate: Electorate, *, needed: int) -> None:
    signers = [proof.validator for proof in proofs]
    if signers != sorted(set(signers) & set(electorate.keys)) or len(signers) != needed:
        raise Refused(f"{needed} of {sorted(electorate.keys)} sign a certificate, not {signers}")


def _check_signature(proof: VoteProof, vote: list[object], electorate: Electorate, chain_id: bytes) -> None:
    root = _climb(_hash(b"\0", msgspec.msgpack.encode(vote)), proof.index, proof.size, list(proof.path))
    bundle = msgspec.msgpack.encode([proof.size, root])
    signed = msgspec.msgpack.encode(["quorate", 1, "votes", chain_id, bundle])
    try:
        VerifyKey(electorate.keys[proof.validator]).verify(signed, proof.signature)
    except BadSignatureError as error:
        raise Refused(f"validator {proof.validator} has not signed that vote") from error


def _climb(leaf: bytes, index: int, size: int, path: list[bytes]) -> bytes:
    """Return the root above a leaf, by the recursive definition (RFC 6962, 2.1.1)."""
    if size == 1:
        if path or index:
            raise Refused("a path of the wrong length")
        return leaf
    if not path:
        raise Refused("a path of the wrong length")
    left = _left(size)
    if index < left:
        return _hash(b"\1", _climb(leaf, index, left, path[:-1]), path[-1])
    return _hash(b"\1", path[-1], _climb(leaf, index - left, size - left, path[:-1]))


def root_of(leaves: Sequence[bytes]) -> bytes:
    """Return the root of a tree, by its definition (RFC 6962, 2.1)."""
    if len(leaves) < 2:
        return _hash(b"\0", leaves[0]) if leaves else sha256().digest()
    left = _left(len(leaves))
    return _hash(b"\1", root_of(leaves[:left]), root_of(leaves[left:]))


def _left(size: int) -> int:
    """Return the greatest power of two below a size."""
    return 1 << (size - 1).bit_length() - 1


def _hash(*parts: bytes) -> bytes:
    return sha256(b"".join(parts)).digest()
