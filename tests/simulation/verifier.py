"""A second opinion on blocks and certificates, which shares no code with the engine or the ledger: hashes, keys, bytes.

Whatever the ledger's own verification lets pass by mistake would also be let pass by a checker that called it.
"""

from collections.abc import Mapping, Sequence
from hashlib import sha256

import msgspec
from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey

from ledger.blocks import Block, BlockHeader
from ledger.certificates import CommitCertificate
from ledger.quantities import ValidatorId
from ledger.votes import VoteProof

COMMIT = 3


class Refused(AssertionError):
    """A block or certificate is not what it says it is."""


def digest_of(header: BlockHeader) -> bytes:
    """Return a block's name."""
    fields = [getattr(header, name) for name in header.__struct_fields__]
    return sha256(msgspec.msgpack.encode(fields)).digest()


def check_block(block: Block) -> None:
    """Raise Refused unless a block's transactions are those that its header commits to."""
    if _root(block.transactions) != block.header.transactions_root:
        raise Refused(f"transactions of block {block.header.height} are not those of its header")


def check_certificate(
    certificate: CommitCertificate, header: BlockHeader, keys: Mapping[ValidatorId, bytes], chain_id: bytes
) -> None:
    """Raise Refused unless so many have signed commits of one view to this header that no other can have as many."""
    subject = (certificate.era, certificate.height, certificate.digest)
    if subject != (header.era, header.height, digest_of(header)):
        raise Refused(f"a certificate of another block than {header.height}")
    signers = [proof.validator for proof in certificate.commits]
    faulty = (len(keys) - 1) // 3
    needed = next(count for count in range(len(keys) + 1) if 2 * count - len(keys) > faulty)
    if signers != sorted(set(signers) & set(keys)) or len(signers) != needed:
        raise Refused(f"{needed} of {sorted(keys)} sign a certificate, not {signers}")
    vote = msgspec.msgpack.encode([COMMIT, certificate.era, certificate.view, certificate.height, certificate.digest])
    for proof in certificate.commits:
        _check_signature(proof, vote, keys[proof.validator], chain_id)


def _check_signature(proof: VoteProof, vote: bytes, key: bytes, chain_id: bytes) -> None:
    root = _climb(_hash(b"\0", vote), proof.index, proof.size, list(proof.path))
    bundle = msgspec.msgpack.encode([proof.size, root])
    signed = msgspec.msgpack.encode(["quorate", 1, "votes", chain_id, bundle])
    try:
        VerifyKey(key).verify(signed, proof.signature)
    except BadSignatureError as error:
        raise Refused(f"validator {proof.validator} has not signed that commit") from error


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


def _root(leaves: Sequence[bytes]) -> bytes:
    if len(leaves) < 2:
        return _hash(b"\0", leaves[0]) if leaves else sha256().digest()
    left = _left(len(leaves))
    return _hash(b"\1", _root(leaves[:left]), _root(leaves[left:]))


def _left(size: int) -> int:
    """Return the greatest power of two below a size."""
    return 1 << (size - 1).bit_length() - 1


def _hash(*parts: bytes) -> bytes:
    return sha256(b"".join(parts)).digest()
