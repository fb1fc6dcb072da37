"""Ranges from several peers at once: liars and the slow are worked around, and nothing unverified is kept."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from ledger.quantities import ValidatorId
from ledger.snapshots import SnapshotManifest
from node.runtime.range_fetching import FAILURES_MAX, QUESTIONS_PER_PEER, RangeFetch
from node.runtime.snapshot_wire import RangeAsked, decode_question
from node.storage.chain_store import ChainStore
from node.storage.kv import MemoryStore
from node.storage.snapshot_cutting import range_name
from node.storage.snapshot_fetched import FetchedRanges
from node.transport.errors import LinkFailed, ProtocolBroken
from tests.consortium import consortium
from tests.node.storage.chains import grow
from tests.node.storage.snapshots import cut

MEMBERS = consortium()
SOURCE = ChainStore(MemoryStore(), MEMBERS.genesis)
grow(MEMBERS, SOURCE, 8)
ONE, TWO, THREE = (ValidatorId(number) for number in (1, 2, 3))


class Snapshot:
    """A snapshot, and peers that each answer in their own way."""

    def __init__(self, folder: Path) -> None:
        self.manifest: SnapshotManifest = cut(SOURCE, folder / "cut", range_bytes=1_000)
        self.files = [(folder / "cut" / range_name(index)).read_bytes() for index in range(len(self.manifest.ranges))]
        self.fetched = FetchedRanges.begin(folder / "joining", self.manifest)
        self.asked: dict[ValidatorId, list[int]] = {ONE: [], TWO: [], THREE: []}
        self.answers: dict[ValidatorId, Callable[[int], bytes | None]] = {}
        self.waits: dict[ValidatorId, asyncio.Event] = {}
        self.ended: set[tuple[ValidatorId, int]] = set()

    def honest(self, index: int) -> bytes:
        return self.files[index]

    async def ask(self, peer: ValidatorId, question: bytes, _bytes_max: int, _seconds: float) -> bytes | None:
        wanted = decode_question(question)
        assert isinstance(wanted, RangeAsked)
        assert wanted.height == self.manifest.height
        self.asked[peer].append(wanted.index)
        try:
            await asyncio.sleep(0)
            if peer in self.waits:
                await self.waits[peer].wait()
            return self.answers.get(peer, self.honest)(wanted.index)
        finally:
            self.ended.add((peer, wanted.index))

    async def fetch(self, *peers: ValidatorId) -> tuple[bool, RangeFetch]:
        fetch = RangeFetch(self.fetched, peers, self.ask)
        return await asyncio.wait_for(fetch.run(), 120), fetch


@pytest.fixture
def snapshot(tmp_path: Path) -> Snapshot:
    made = Snapshot(tmp_path)
    assert len(made.files) >= 8
    return made


def test_all_peers_are_asked_and_everything_arrives(snapshot: Snapshot) -> None:
    whole, fetch = asyncio.run(snapshot.fetch(ONE, TWO, THREE))
    assert whole
    assert not fetch.liars
    assert all(snapshot.asked.values())
    assert sorted({index for asked in snapshot.asked.values() for index in asked}) == list(range(len(snapshot.files)))


def test_a_liar_is_asked_no_more_and_its_range_goes_to_another(snapshot: Snapshot) -> None:
    snapshot.answers[TWO] = lambda index: snapshot.files[index - 1]
    whole, fetch = asyncio.run(snapshot.fetch(ONE, TWO, THREE))
    assert whole
    assert fetch.liars == {TWO}
    assert len(snapshot.asked[TWO]) <= QUESTIONS_PER_PEER


@pytest.mark.parametrize("sent", [b"", b"\x90", b"no range at all"])
def test_bytes_that_are_no_range_are_a_lie(snapshot: Snapshot, sent: bytes) -> None:
    snapshot.answers[ONE] = lambda _: sent
    whole, fetch = asyncio.run(snapshot.fetch(ONE, TWO))
    assert whole
    assert fetch.liars == {ONE}


def test_an_answer_against_the_protocol_is_a_lie(snapshot: Snapshot) -> None:
    def too_long(_: int) -> bytes:
        raise ProtocolBroken("answer", expected="at most 1 byte", got=2)

    snapshot.answers[ONE] = too_long
    whole, fetch = asyncio.run(snapshot.fetch(ONE, TWO))
    assert whole
    assert fetch.liars == {ONE}


def test_a_peer_that_sends_for_ever_holds_up_nobody(snapshot: Snapshot) -> None:
    async def main() -> None:
        snapshot.waits[ONE] = asyncio.Event()  # never set
        whole, fetch = await snapshot.fetch(ONE, TWO)
        assert whole
        assert not fetch.liars
        assert set(snapshot.asked[ONE]) <= set(snapshot.asked[TWO])
        assert {(ONE, index) for index in snapshot.asked[ONE]} <= snapshot.ended  # given up, not left running

    asyncio.run(main())


def test_a_peer_whose_connections_break_is_left_alone(snapshot: Snapshot) -> None:
    def breaks(_: int) -> bytes:
        raise LinkFailed("range", expected="bytes", got="the end")

    snapshot.answers[ONE] = breaks
    whole, fetch = asyncio.run(snapshot.fetch(ONE, TWO))
    assert whole
    assert not fetch.liars
    assert len(snapshot.asked[ONE]) <= FAILURES_MAX + QUESTIONS_PER_PEER - 1


def test_a_peer_that_has_superseded_the_snapshot_is_left_alone(snapshot: Snapshot) -> None:
    snapshot.answers[ONE] = lambda _: None
    whole, fetch = asyncio.run(snapshot.fetch(ONE, TWO))
    assert whole
    assert not fetch.liars


def test_without_an_honest_peer_it_ends_and_keeps_what_was_verified(snapshot: Snapshot, tmp_path: Path) -> None:
    served: list[int] = []

    def some(index: int) -> bytes | None:
        served.append(index)
        return snapshot.files[index] if len(served) <= 5 else None

    snapshot.answers[ONE] = some
    snapshot.answers[TWO] = lambda index: snapshot.files[index][:-1]
    whole, fetch = asyncio.run(snapshot.fetch(ONE, TWO))
    assert not whole
    assert fetch.liars == {TWO}
    resumed = FetchedRanges.resume(tmp_path / "joining")
    assert resumed is not None
    assert len(snapshot.files) - resumed.missing_count == 5
    # a later attempt asks for the rest only
    snapshot.fetched = resumed
    snapshot.asked[THREE].clear()
    whole, _ = asyncio.run(snapshot.fetch(THREE))
    assert whole
    assert sorted(snapshot.asked[THREE]) == sorted(set(range(len(snapshot.files))) - set(served[:5]))


def test_nobody_to_ask_is_no_success(snapshot: Snapshot) -> None:
    whole, _ = asyncio.run(snapshot.fetch())
    assert not whole
