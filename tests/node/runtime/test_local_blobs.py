"""Blobs at one node: fetched past peers that lie or fail, stored without holding up votes, kept while they are owed."""

import asyncio
from pathlib import Path

import pytest

from aggregation.model_file import import_model
from ledger import state_keys
from ledger.blobs import Codec, LayoutFacts, ModelFacts, UpdateFacts
from ledger.encoding import encode
from ledger.errors import Undecidable
from ledger.hashing import Digest, sha256
from ledger.quantities import Height, ParticipantId, RoundNumber, ValidatorId
from ledger.records import BlobRecord, ParticipationRecord
from tests.node.runtime.bench import Bench, Peer, bench, failing, forging, running_task, serving
from tests.node.runtime.sites import LAYOUT, START

CONTENT = b"content"
LAYOUT_FACTS = LayoutFacts(
    tensors=1, weight_elements=1, statistic_elements=0, frozen_elements=0, exponent_min=0, exponent_max=0
)
FIRST, SECOND, THIRD = ValidatorId(1), ValidatorId(2), ValidatorId(3)


async def fetch(made: Bench, data: bytes, *, first: ValidatorId | None = None) -> None:
    author = made.members.operators["org-00"].public
    await made.blobs.fetch(sha256(data), len(data), author=author, expires=Height(9), first=first)


def test_a_peer_that_sends_other_bytes_is_passed_over(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with bench(tmp_path) as made:
            made.peers.answers |= {FIRST: forging, SECOND: serving(CONTENT)}
            await fetch(made, CONTENT)
            assert made.peers.asked == [FIRST, SECOND]
            assert made.store.path(sha256(CONTENT)).read_bytes() == CONTENT

    asyncio.run(scenario())


def test_a_blob_that_nobody_sends_whole_is_undecided_and_leaves_nothing(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with bench(tmp_path) as made:
            made.peers.answers |= {FIRST: forging, SECOND: failing, THIRD: serving()}
            with pytest.raises(Undecidable, match=r"got 1: digest of the blob.*; 2: peer.*; 3: blob"):
                await fetch(made, CONTENT)
            assert not made.store.has(sha256(CONTENT))
            assert not list((tmp_path / "blobs" / "incoming").iterdir())

    asyncio.run(scenario())


@pytest.mark.parametrize("bad", [forging, failing])
def test_a_peer_that_failed_is_asked_last_until_it_has_served_again(tmp_path: Path, bad: Peer) -> None:
    async def scenario() -> None:
        async with bench(tmp_path) as made:
            made.peers.answers |= {FIRST: bad, SECOND: serving(b"a", b"b")}
            await fetch(made, b"a")
            await fetch(made, b"b")
            made.peers.answers |= {FIRST: serving(b"c", b"d"), SECOND: serving()}
            await fetch(made, b"c")
            await fetch(made, b"d")
            assert made.peers.asked == [FIRST, SECOND, SECOND, SECOND, FIRST, FIRST]

    asyncio.run(scenario())


def test_whoever_announced_a_blob_is_asked_first(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with bench(tmp_path) as made:
            made.peers.answers |= {FIRST: serving(CONTENT), THIRD: serving(CONTENT)}
            await fetch(made, CONTENT, first=THIRD)
            assert made.peers.asked == [THIRD]

    asyncio.run(scenario())


def test_votes_go_on_while_a_large_output_is_stored(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with bench(tmp_path) as made:
            data = bytes(8 * 2**20)
            path = made.scratch / "model"
            path.write_bytes(data)
            turns = 0

            async def vote() -> None:
                nonlocal turns
                while True:
                    turns += 1
                    await asyncio.sleep(0)

            voting = asyncio.create_task(vote())
            await made.blobs.adopt(path, sha256(data))
            voting.cancel()
            assert made.store.has(sha256(data))
            assert turns >= 8

    asyncio.run(scenario())


def took_part(made: Bench, task: str, number: int, blob: Digest) -> None:
    key = state_keys.participation(task, RoundNumber(number), ParticipantId(1))
    made.put_state(key, ParticipationRecord(blob=blob, weight=1))


def test_a_forgotten_round_keeps_what_another_round_or_task_still_needs(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with bench(tmp_path) as made:
            old, later, shared = (made.add(data) for data in (b"old", b"later", b"shared"))
            for task, number, blob in (("a", 1, old), ("a", 2, later), ("a", 3, later), ("b", 7, shared)):
                took_part(made, task, number, blob)
            made.put_state(state_keys.task("a"), running_task("a", number=3, retain=1))
            made.put_state(state_keys.task("b"), running_task("b", number=8, retain=1))
            made.blobs.forget_round("a", RoundNumber(1))
            assert [made.store.has(blob) for blob in (old, later, shared)] == [False, True, True]
            took_part(made, "a", 2, shared)
            made.blobs.forget_round("a", RoundNumber(2))
            assert [made.store.has(blob) for blob in (later, shared)] == [True, True]

    asyncio.run(scenario())


async def with_model(made: Bench) -> tuple[Digest, Digest]:
    """Store a layout and a model of it; return their digests."""
    return made.add(encode(LAYOUT)), made.add(import_model(LAYOUT, START), expires=5)


@pytest.mark.parametrize("recorded_first", [False, True])
def test_a_recorded_model_keeps_its_view_whichever_is_known_first(tmp_path: Path, *, recorded_first: bool) -> None:
    async def scenario() -> None:
        async with bench(tmp_path) as made:
            layout, model = await with_model(made)
            if recorded_first:
                made.blobs.set_recorded(model)
            facts = await made.blobs.examine(model, layout)
            if not recorded_first:
                made.blobs.set_recorded(model)
            assert isinstance(facts, ModelFacts)
            assert made.store.record(facts.view).recorded

    asyncio.run(scenario())


def test_a_model_that_is_kept_longer_keeps_its_view_as_long(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with bench(tmp_path) as made:
            layout, model = await with_model(made)
            facts = await made.blobs.examine(model, layout)
            made.blobs.keep_until(model, Height(9))
            assert isinstance(facts, ModelFacts)
            assert made.store.record(facts.view).expires == 9

    asyncio.run(scenario())


def record_of(facts: UpdateFacts | ModelFacts | LayoutFacts) -> BlobRecord:
    return BlobRecord(size=7, facts=facts, recorded=Height(1))


def test_owed_is_what_is_recorded_but_for_updates_of_rounds_that_are_past_keeping(tmp_path: Path) -> None:
    """A node that joined from a snapshot heard of none of these blobs: it has to ask for what the state names."""

    async def scenario() -> None:
        async with bench(tmp_path) as made:
            digests = {name: sha256(name.encode()) for name in ("old", "retained", "current", "layout", "nobody's")}
            update = UpdateFacts(layout=digests["layout"], codec=Codec.I32, norm_squared=b"", value_max=0)
            for name, digest in digests.items():
                facts = LAYOUT_FACTS if name == "layout" else update
                made.put_state(state_keys.blob(digest), record_of(facts))
            made.put_state(state_keys.task("a"), running_task("a", number=5, retain=1))
            for number, name in ((3, "old"), (4, "retained"), (5, "current")):
                took_part(made, "a", number, digests[name])
            expected = {digests[name] for name in ("retained", "current", "layout")}
            assert set(made.blobs.owed()) == expected
            took_part(made, "a", 4, digests["old"])  # the same bytes were sent again, in a round that is still kept
            assert set(made.blobs.owed()) == {digests[name] for name in ("old", "current", "layout")}

    asyncio.run(scenario())
