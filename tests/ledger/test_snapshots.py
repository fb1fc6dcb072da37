"""Manifests of snapshots on a chain of real signatures: what is accepted, and every part of it forged."""

from typing import Any

import pytest
from msgspec.structs import replace

from ledger import state_tree
from ledger.errors import InvalidBlock, InvalidCertificate, InvalidProof, VerificationFailed
from ledger.hashing import Digest
from ledger.merkle import Frontier
from ledger.quantities import Era, Height
from ledger.snapshots import EraBoundary, SnapshotManifest, verify_manifest
from ledger.state_ranges import RangeRoot
from tests.ledger.helpers import digest
from tests.ledger.mini_chain import ENTRIES, GENESIS, SECOND, certified, header_at
from tests.ledger.state_trees import tree_of
from tests.ledger.test_state_ranges import ROOTS, SOME_STATE

STATE_ROOT = state_tree.root(tree_of(SOME_STATE).read)


def frontier_after(height: int) -> Frontier:
    frontier = Frontier()
    for entry in ENTRIES:
        if entry.receipt.height <= height:
            frontier, _ = frontier.append(entry.leaf)
    return frontier


BOUNDARY_HEADER = header_at(5, next_validators=SECOND.digest)
BOUNDARY = EraBoundary(header=BOUNDARY_HEADER, certificate=certified(BOUNDARY_HEADER), members=SECOND.members)
FIRST_ERA_HEADER = header_at(3, state_root=STATE_ROOT)
FIRST_ERA = SnapshotManifest(
    boundaries=(),
    header=FIRST_ERA_HEADER,
    certificate=certified(FIRST_ERA_HEADER),
    frontier=frontier_after(3),
    ranges=tuple(ROOTS),
)
SECOND_ERA_HEADER = header_at(9, SECOND, era=Era(1), state_root=STATE_ROOT)
SECOND_ERA = SnapshotManifest(
    boundaries=(BOUNDARY,),
    header=SECOND_ERA_HEADER,
    certificate=certified(SECOND_ERA_HEADER),
    frontier=frontier_after(9),
    ranges=tuple(ROOTS),
)


@pytest.mark.parametrize("manifest", [FIRST_ERA, SECOND_ERA])
def test_an_honest_manifest_is_accepted(manifest: SnapshotManifest) -> None:
    light = verify_manifest(manifest, GENESIS)
    light.verify_header(manifest.header, manifest.certificate)
    assert manifest.depth == 3
    assert manifest.height == manifest.header.height


def test_a_checkpoint_may_end_its_era() -> None:
    header = header_at(3, state_root=STATE_ROOT, next_validators=SECOND.digest)
    verify_manifest(replace(FIRST_ERA, header=header, certificate=certified(header)), GENESIS)


def refused(error: type[Exception], manifest: SnapshotManifest = FIRST_ERA, **changes: Any) -> None:
    with pytest.raises(error):
        verify_manifest(replace(manifest, **changes), GENESIS)


def test_a_header_without_a_quorum_is_refused() -> None:
    refused(InvalidCertificate, certificate=certified(header_at(4)))
    refused(InvalidCertificate, header=replace(FIRST_ERA_HEADER, state_root=digest("x")))


def test_genesis_is_no_checkpoint() -> None:
    refused(InvalidProof, header=GENESIS.block.header)


def test_another_log_is_refused() -> None:
    refused(InvalidProof, frontier=frontier_after(2))
    peaks: tuple[Digest, ...] = (digest("x"), *FIRST_ERA.frontier.peaks[1:])
    refused(InvalidProof, frontier=replace(FIRST_ERA.frontier, peaks=peaks))


def test_another_state_is_refused() -> None:
    ranges: list[tuple[RangeRoot, ...]] = [(), tuple(ROOTS[:4]), (None, *ROOTS[1:]), tuple(ROOTS[::-1])]
    for forged in ranges:
        refused(InvalidProof, ranges=forged)


def test_a_missing_or_foreign_era_is_refused() -> None:
    refused(InvalidProof, SECOND_ERA, boundaries=())
    refused(InvalidProof, FIRST_ERA, boundaries=(BOUNDARY,))
    refused(InvalidProof, SECOND_ERA, boundaries=(BOUNDARY, BOUNDARY))


def test_a_set_that_the_boundary_does_not_name_is_refused() -> None:
    refused(VerificationFailed, SECOND_ERA, boundaries=(replace(BOUNDARY, members=SECOND.members[:4]),))


def test_a_boundary_without_a_quorum_is_refused() -> None:
    forged = replace(BOUNDARY, certificate=certified(header_at(4)))
    refused(InvalidCertificate, SECOND_ERA, boundaries=(forged,))


def test_a_key_that_was_retired_signs_no_later_checkpoint() -> None:
    header = header_at(9, state_root=STATE_ROOT)
    forged = {"header": header, "certificate": certified(header)}
    refused(InvalidProof, SECOND_ERA, **forged)
    verify_manifest(
        replace(FIRST_ERA, frontier=frontier_after(9), **forged), GENESIS
    )  # what era 0 alone cannot rule out


def test_a_checkpoint_below_the_era_it_names_is_refused() -> None:
    header = header_at(Height(5), SECOND, era=Era(1), state_root=STATE_ROOT)
    refused(InvalidBlock, SECOND_ERA, header=header, certificate=certified(header))
