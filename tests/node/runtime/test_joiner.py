"""When a node joins from a snapshot, from which, and what lying peers can do about it: nothing but be ignored."""

import asyncio
from pathlib import Path

import pytest
from msgspec.structs import replace

from ledger.encoding import encode
from ledger.quantities import Height, ValidatorId
from ledger.snapshots import SnapshotManifest
from node.config import SnapshotSection
from node.runtime import joining
from node.runtime.joining import Joiner, Standing
from node.runtime.snapshot_wire import ManifestAsked, decode_question
from node.runtime.tasks import Tasks
from node.storage.chain_store import ChainStore
from node.storage.kv import MemoryStore
from node.storage.leveldb import LevelDb
from node.storage.snapshot_cutting import range_name
from node.storage.snapshot_fetched import FetchedRanges
from tests.consortium import consortium
from tests.node.storage.chains import certify, grow
from tests.node.storage.snapshots import check_joined, cut

MEMBERS = consortium()
OLD, NEW = 4, 8
SOURCE = ChainStore(MemoryStore(), MEMBERS.genesis)
grow(MEMBERS, SOURCE, OLD)
PEERS = frozenset(ValidatorId(number) for number in (1, 2, 3))
ONE, TWO, THREE = sorted(PEERS)

Held = tuple[SnapshotManifest, list[bytes]]


@pytest.fixture(scope="module")
def snapshots(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Held]:
    """Return real snapshots of one chain by height."""
    folder = tmp_path_factory.mktemp("snapshots")
    made = {}
    for height in (OLD, NEW):
        if height == NEW:
            grow(MEMBERS, SOURCE, NEW - OLD)
        manifest = cut(SOURCE, folder / str(height))
        files = [(folder / str(height) / range_name(index)).read_bytes() for index in range(len(manifest.ranges))]
        made[height] = (manifest, files)
    return made


class Place:
    """A node among peers that each offer one snapshot, or none."""

    def __init__(self, folder: Path, offers: dict[ValidatorId, Held], *, claimed: int = NEW, head: int = 0) -> None:
        self.folder = folder
        self.offers = offers
        self.manifests: dict[ValidatorId, bytes] = {peer: encode(held[0]) for peer, held in offers.items()}
        self.standing = Standing(head=Height(head), certain=Height(claimed), serving=sorted(PEERS), weak_quorum=2)
        self.ready: list[tuple[int, Path]] = []
        self.asked: list[ValidatorId] = []
        self.failures: list[BaseException] = []

    async def ask(self, peer: ValidatorId, question: bytes, _bytes_max: int, _seconds: float) -> bytes | None:
        wanted = decode_question(question)
        self.asked.append(peer)
        if peer not in self.offers:
            return None
        if isinstance(wanted, ManifestAsked):
            return self.manifests[peer]
        manifest, files = self.offers[peer]
        return files[wanted.index] if wanted.height == manifest.height else None

    def joiner(self, *, join_blocks: int = 3) -> Joiner:
        return Joiner(
            folder=self.folder / "joining",
            genesis=MEMBERS.genesis,
            section=SnapshotSection(join_blocks=join_blocks),
            standing=lambda: self.standing,
            peers=lambda: PEERS,
            ask=self.ask,
            on_ready=lambda height, database: self.ready.append((height, database)),
            tasks=Tasks(on_fatal=self.failures.append),
        )

    def attempt(self, joiner: Joiner | None = None) -> Joiner:
        """Let one attempt run to its end."""
        made = joiner or self.joiner()

        async def main() -> None:
            made.tick()
            await asyncio.gather(*made._tasks._running)

        asyncio.run(main())
        assert not self.failures
        return made


def check_built(place: Place, height: int) -> None:
    ((ready, database),) = place.ready
    assert ready == height
    kv = LevelDb(database)
    joined = ChainStore(kv, MEMBERS.genesis)
    assert joined.base == height
    if height == NEW:
        check_joined(joined, SOURCE)
    kv.close()


def test_the_newest_snapshot_is_built_from_all_who_hold_it(tmp_path: Path, snapshots: dict[int, Held]) -> None:
    place = Place(tmp_path, dict.fromkeys(PEERS, snapshots[NEW]))
    joiner = place.attempt()
    check_built(place, NEW)
    assert joiner.progress is None
    assert set(place.asked) == PEERS


@pytest.mark.parametrize(
    ("claimed", "serving", "expected"), [(3, True, False), (4, True, True), (1, False, True), (0, False, False)]
)
def test_it_joins_from_far_behind_or_where_nobody_serves(
    tmp_path: Path,
    snapshots: dict[int, Held],
    claimed: int,
    serving: bool,  # noqa: FBT001
    expected: bool,  # noqa: FBT001
) -> None:
    place = Place(tmp_path, dict.fromkeys(PEERS, snapshots[NEW]))
    place.standing = Standing(
        head=Height(0), certain=Height(claimed), serving=sorted(PEERS) if serving else [], weak_quorum=2
    )
    place.attempt()
    assert bool(place.ready) == expected


def test_who_stands_still_behind_others_joins(
    tmp_path: Path, snapshots: dict[int, Held], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = 1_000.0
    monkeypatch.setattr("node.runtime.joining.time.monotonic", lambda: clock)
    place = Place(tmp_path, dict.fromkeys(PEERS, snapshots[NEW]), claimed=1)
    joiner = place.attempt()
    assert not place.ready
    clock += joining.STUCK_SECONDS + 1
    place.attempt(joiner)
    assert place.ready


def test_a_setting_keeps_a_node_from_joining(tmp_path: Path, snapshots: dict[int, Held]) -> None:
    place = Place(tmp_path, dict.fromkeys(PEERS, snapshots[NEW]))
    joiner = place.joiner()
    joiner._section = SnapshotSection(join=False)
    place.attempt(joiner)
    assert not place.ready
    assert joiner.blocks_behind_max is None


def test_a_valid_but_old_snapshot_loses_to_a_newer_one(tmp_path: Path, snapshots: dict[int, Held]) -> None:
    place = Place(tmp_path, {ONE: snapshots[OLD], TWO: snapshots[NEW]})
    place.attempt()
    check_built(place, NEW)


def test_what_two_peers_hold_comes_before_what_one_alone_claims(tmp_path: Path, snapshots: dict[int, Held]) -> None:
    place = Place(tmp_path, {ONE: snapshots[NEW], TWO: snapshots[OLD], THREE: snapshots[OLD]})
    place.attempt()
    check_built(place, OLD)


@pytest.mark.parametrize("head", [OLD, NEW])
def test_a_snapshot_at_or_below_the_head_is_worth_nothing(
    tmp_path: Path, snapshots: dict[int, Held], head: int
) -> None:
    place = Place(tmp_path, {ONE: snapshots[OLD], TWO: snapshots[OLD]}, head=head, claimed=head + 100)
    joiner = place.attempt()
    assert not place.ready
    assert joiner.blocks_behind_max is None, "blocks are asked for after all"


def forged(snapshots: dict[int, Held]) -> dict[str, bytes]:
    manifest, _ = snapshots[NEW]
    header = replace(manifest.header, state_root=snapshots[OLD][0].header.state_root)
    return {
        "no manifest": b"?",
        "no quorum": encode(replace(manifest, header=header)),
        "another state": encode(replace(manifest, ranges=snapshots[OLD][0].ranges)),
        "another log": encode(replace(manifest, frontier=snapshots[OLD][0].frontier)),
        "another block's certificate": encode(replace(manifest, certificate=snapshots[OLD][0].certificate)),
    }


@pytest.mark.parametrize(
    "lie", ["no manifest", "no quorum", "another state", "another log", "another block's certificate"]
)
def test_a_peer_with_a_false_manifest_is_asked_no_more(tmp_path: Path, snapshots: dict[int, Held], lie: str) -> None:
    place = Place(tmp_path, dict.fromkeys(PEERS, snapshots[NEW]))
    place.manifests[TWO] = forged(snapshots)[lie]
    place.attempt()
    check_built(place, NEW)
    assert place.asked.count(TWO) == 1


def test_manifests_that_change_with_every_question_lead_nowhere_and_harm_nothing(
    tmp_path: Path, snapshots: dict[int, Held], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(joining, "RETRY_SECONDS_MAX", 0.0)
    place = Place(tmp_path, {ONE: snapshots[NEW]})
    place.offers[ONE] = (snapshots[NEW][0], snapshots[OLD][1])  # offers the new one, sends ranges of the old one
    joiner = place.joiner()
    joiner._retry_seconds = 0.0
    place.attempt(joiner)
    assert not place.ready
    place.offers[TWO] = snapshots[OLD]
    place.manifests[TWO] = encode(snapshots[OLD][0])
    place.attempt(joiner)
    check_built(place, OLD)
    assert joiner._liars == {ONE}


def test_a_restart_goes_on_with_what_was_fetched(tmp_path: Path, snapshots: dict[int, Held]) -> None:
    manifest, files = snapshots[NEW]
    begun = FetchedRanges.begin(tmp_path / "joining", manifest)
    for index in range(len(files) - 1):
        begun.put(index, files[index])
    place = Place(tmp_path, {ONE: snapshots[NEW]})
    place.attempt()
    check_built(place, NEW)
    assert place.asked.count(ONE) == 2, "the manifest and the one range that was missing"


def test_another_certificate_of_the_same_block_is_the_same_snapshot(tmp_path: Path, snapshots: dict[int, Held]) -> None:
    manifest, files = snapshots[NEW]
    other = replace(manifest, certificate=certify(MEMBERS, manifest.header, view=3))
    assert joining.is_same(manifest, other)
    place = Place(tmp_path, {ONE: (manifest, files), TWO: (other, files)})
    place.attempt()
    check_built(place, NEW)
    assert {ONE, TWO} <= set(place.asked)


def test_a_damaged_range_is_dropped_and_the_next_attempt_fetches_it(tmp_path: Path, snapshots: dict[int, Held]) -> None:
    place = Place(tmp_path, {ONE: snapshots[NEW]})
    joiner = place.joiner()
    joiner._retry_seconds = 0.0
    manifest, files = snapshots[NEW]
    begun = FetchedRanges.begin(tmp_path / "joining", manifest)
    for index, data in enumerate(files):
        begun.put(index, data)
    (tmp_path / "joining" / range_name(0)).write_bytes(b"damaged")
    place.attempt(joiner)
    assert not place.ready
    place.attempt(joiner)
    check_built(place, NEW)
