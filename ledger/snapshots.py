"""Snapshots: the state after a stable checkpoint, for a node that is to join without executing all blocks before it.

PBFT calls a checkpoint stable once a quorum has signed its state (Castro & Liskov 1999, 4.3). Here no further vote is
needed for that: a header commits to state root, log size and log root, and a commit certificate is a quorum's signature
over exactly that header. So a **stable checkpoint is a certified block** at an agreed height.

Whoever has the genesis file trusts a manifest by what is in it: the last block of every era leads to the validator set
that signed the checkpoint, whose header leads to the ranges of the state (`state_ranges`) and the frontier of the log.
"""

from typing import Annotated

from msgspec import Meta

from ledger.blocks import BlockHeader
from ledger.certificates import CommitCertificate
from ledger.encoding import Noun
from ledger.errors import InvalidProof
from ledger.genesis import FIRST_HEIGHT, Genesis
from ledger.light_client import LightClient
from ledger.merkle import Frontier
from ledger.quantities import VALIDATORS_MAX, Height
from ledger.state_ranges import DEPTH_MAX, RangeRoot, depth_of, verify_ranges
from ledger.validators import Validator

ERAS_MAX = 1_024
"""Most eras before a checkpoint that a manifest follows: with 25 validators some 25 MB of certificates and sets."""


class EraBoundary(Noun, frozen=True, kw_only=True):
    """The last block of an era, and the set that follows it."""

    header: BlockHeader
    certificate: CommitCertificate
    members: Annotated[tuple[Validator, ...], Meta(max_length=VALIDATORS_MAX)]
    """Validators of the next era."""


class SnapshotManifest(Noun, frozen=True, kw_only=True):
    """A stable checkpoint, and what the parts of its state must be."""

    boundaries: Annotated[tuple[EraBoundary, ...], Meta(max_length=ERAS_MAX)]
    """Of every era before the checkpoint's, from era 0 on."""
    header: BlockHeader
    certificate: CommitCertificate
    """The block's own, never a descendant's: the head of a node always has one."""
    frontier: Frontier
    """Right edge of the log after the block."""
    ranges: Annotated[tuple[RangeRoot, ...], Meta(min_length=1, max_length=1 << DEPTH_MAX)]
    """Roots of all ranges of the state, in order."""

    @property
    def height(self) -> Height:
        """Height of the checkpoint."""
        return Height(self.header.height)

    @property
    def depth(self) -> int:
        """Bits of the path that a range's pairs share; raises InvalidProof for a wrong number of ranges."""
        return depth_of(self.ranges)


def verify_manifest(manifest: SnapshotManifest, genesis: Genesis) -> LightClient:
    """Return a light client that knows the sets of all eras up to the checkpoint's, once all of it is shown.

    Raises InvalidBlock, InvalidCertificate or InvalidProof.
    """
    light = LightClient(genesis)
    # (1) every era's last block, under the set of that era, names the set of the next one
    for era, boundary in enumerate(manifest.boundaries):
        if boundary.header.era != era:
            raise InvalidProof("era of a boundary", expected=era, got=boundary.header.era)
        light.learn(boundary.header, boundary.certificate, boundary.members)
    header = manifest.header
    if header.era != len(manifest.boundaries):
        raise InvalidProof("eras before the checkpoint", expected=header.era, got=len(manifest.boundaries))
    # (2) a quorum of the checkpoint's era committed to its header
    if header.height < FIRST_HEIGHT:
        raise InvalidProof("height of a checkpoint", expected=f"at least {FIRST_HEIGHT}", got=header.height)
    light.verify_header(header, manifest.certificate)
    # (3) that header commits to the log and to the state
    log = (manifest.frontier.size, manifest.frontier.root())
    if log != (header.log_size, header.log_root):
        raise InvalidProof("log of the checkpoint", expected=f"{header.log_size} entries under its root", got=log[0])
    verify_ranges(header.state_root, manifest.ranges)
    return light
