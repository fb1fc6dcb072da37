"""HOLDs of one node: for what, for how long, and what a bad or foreign ticket may not do."""

import asyncio
from pathlib import Path

import pytest

from aggregation.deltas import encode_delta
from aggregation.errors import UnknownBlob
from aggregation.layouts import TensorTraits, decode_layout, infer_layout, layout_facts
from aggregation.update_file import encode_update
from ledger import state_keys
from ledger.blobs import Hold, HoldSignature, UpdateFacts
from ledger.encoding import encode
from ledger.errors import InputError
from ledger.hashing import Digest, sha256
from ledger.quantities import Era, Height, ValidatorId
from ledger.records import BlobRecord
from ledger.transactions import RecordBlob
from node.config import LimitsSection
from node.errors import NotAuthorised
from node.runtime.holding import FETCH_AGAIN_TICKS
from node.runtime.wire import Announce, Held
from node.storage.errors import BlobNotFound
from tests.network import WAIT_SECONDS
from tests.node.runtime.bench import Bench, bench, serving
from tests.node.runtime.sites import LAYOUT, START
from tests.vectors.ledger_nouns import FACTS

LAYOUT_DATA = encode(LAYOUT)
OTHER_LAYOUT_DATA = encode(infer_layout({"v": TensorTraits(shape=(2,), is_float=True, is_buffer=False)}))
UPDATE = encode_update(LAYOUT, encode_delta(LAYOUT, START, START)[0])


def announced(made: Bench) -> list[int]:
    """Return the expiry of each ticket that was announced."""
    return [said.ticket.ticket.expires for said in made.outbox.said if isinstance(said, Announce)]


def held(made: Bench, data: bytes, *, by: int, size: int | None = None) -> Held:
    """Return a validator's HOLD of a layout."""
    hold = Hold(era=Era(0), blob=sha256(data), size=size or len(data), facts=layout_facts(decode_layout(data)))
    signer = ValidatorId(by)
    signature = hold.sign(made.members.services[signer], chain_id=made.members.genesis.chain_id)
    return Held(hold=hold, signature=HoldSignature(validator=signer, signature=signature))


async def turns() -> None:
    """Let the event loop turn a few times."""
    for _ in range(50):
        await asyncio.sleep(0)


async def ticked(made: Bench, times: int) -> None:
    """Let time pass, and whatever follows from a tick but reads or writes of large files."""
    await turns()
    for _ in range(times):
        made.holding.tick()
        await turns()


def record_of(data: bytes) -> BlobRecord:
    """Return the chain's record of a layout."""
    return BlobRecord(size=len(data), facts=layout_facts(decode_layout(data)), recorded=Height(1))


async def offered(made: Bench, data: bytes, *, expires: int) -> Digest:
    """Upload a blob and offer it."""
    digest = made.add(data, expires=expires)
    await made.holding.offer(made.ticket(data, expires=expires))
    return digest


def test_a_later_ticket_holds_a_blob_longer(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with bench(tmp_path) as made:
            digest = await offered(made, LAYOUT_DATA, expires=5)
            await made.holding.offer(made.ticket(LAYOUT_DATA, expires=9))
            await made.holding.offer(made.ticket(LAYOUT_DATA, expires=7))
            assert made.store.record(digest).expires == 9
            made.holding.tick()
            assert announced(made) == [5, 9, 9]

    asyncio.run(scenario())


def test_a_ticket_with_another_layout_does_not_delete_what_another_author_has_uploaded(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with bench(tmp_path) as made:
            layout, other = made.add(LAYOUT_DATA), made.add(OTHER_LAYOUT_DATA)
            update = made.add(UPDATE)
            foreign = made.members.operators["org-01"]
            with pytest.raises(InputError):
                await made.holding.offer(made.ticket(UPDATE, author=foreign, layout=other))
            assert made.store.has(update)
            await made.holding.offer(made.ticket(UPDATE, layout=layout))
            assert made.store.record(update).facts is not None

    asyncio.run(scenario())


def test_a_bad_blob_that_is_offered_twice_is_examined_once_and_deleted(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with bench(tmp_path) as made:
            await offered(made, LAYOUT_DATA, expires=5)
            process = made.blobs.worker.pid
            bad = made.add(b"no layout")
            offers = [made.holding.offer(made.ticket(b"no layout")) for _ in range(2)]
            first, second = await asyncio.gather(*offers, return_exceptions=True)
            assert isinstance(first, UnknownBlob)
            assert isinstance(second, BlobNotFound)
            assert not made.store.has(bad)
            assert made.blobs.worker.pid == process

    asyncio.run(scenario())


def test_an_author_may_have_so_many_uploads_and_bytes_that_are_not_recorded(tmp_path: Path) -> None:
    async def scenario() -> None:
        limits = LimitsSection(author_uploads_max=2, author_bytes_max=10, blob_bytes_max=10)
        async with bench(tmp_path, limits=limits) as made:
            made.add(b"a")
            made.holding.check_ticket(made.ticket(b"b"))
            with pytest.raises(NotAuthorised, match="at most 10 bytes, got 11"):
                made.holding.check_ticket(made.ticket(bytes(10)))
            made.add(b"b")
            made.holding.check_ticket(made.ticket(b"b"))
            made.holding.check_ticket(made.ticket(b"c", author=made.members.operators["org-01"]))
            with pytest.raises(NotAuthorised, match=r"at most 2 .*, got 3"):
                made.holding.check_ticket(made.ticket(b"c"))

    asyncio.run(scenario())


@pytest.mark.parametrize("expires", [0, 10_001])
def test_a_ticket_that_has_expired_or_lasts_too_long_is_refused(tmp_path: Path, expires: int) -> None:
    async def scenario() -> None:
        async with bench(tmp_path) as made:
            with pytest.raises(InputError, match=f"expiry of the ticket: expected 1 to 10000, got {expires}"):
                made.holding.check_ticket(made.ticket(b"a", expires=expires))

    asyncio.run(scenario())


def test_a_ticket_that_lies_about_the_size_of_a_stored_blob_is_refused(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with bench(tmp_path) as made:
            made.add(LAYOUT_DATA)
            lie = made.ticket(LAYOUT_DATA, size=1)
            with pytest.raises(InputError, match=f"size in the ticket: expected {len(LAYOUT_DATA)}, got 1"):
                made.holding.check_ticket(lie)

    asyncio.run(scenario())


def test_a_quorum_of_equal_holds_and_no_less_is_submitted(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with bench(tmp_path) as made:
            digest = await offered(made, LAYOUT_DATA, expires=5)
            hold = held(made, LAYOUT_DATA, by=1).hold
            assert hold.blob == digest
            made.holding.on_held(ValidatorId(1), held(made, LAYOUT_DATA, by=1))
            made.holding.on_held(ValidatorId(1), held(made, LAYOUT_DATA, by=1))
            made.holding.on_held(ValidatorId(3), held(made, LAYOUT_DATA, by=2))  # not its own
            made.holding.on_held(ValidatorId(2), held(made, LAYOUT_DATA, by=2, size=7))  # another claim
            assert made.outbox.submitted == []
            made.holding.on_held(ValidatorId(2), held(made, LAYOUT_DATA, by=2))
            (body,) = made.outbox.submitted
            assert isinstance(body, RecordBlob)
            assert [held.validator for held in body.holds] == [0, 1, 2]

    asyncio.run(scenario())


def test_an_announced_blob_is_fetched_examined_and_held(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with bench(tmp_path) as made:
            made.peers.answers[ValidatorId(1)] = serving(LAYOUT_DATA)
            made.holding.on_announce(ValidatorId(1), Announce(ticket=made.ticket(LAYOUT_DATA)))
            await made.outbox.spoken()
            (said,) = made.outbox.said
            assert isinstance(said, Held)
            assert said == held(made, LAYOUT_DATA, by=0)

    asyncio.run(scenario())


def test_what_is_recorded_is_neither_collected_nor_announced(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with bench(tmp_path) as made:
            digest = made.add(LAYOUT_DATA)
            made.put_state(state_keys.blob(digest), record_of(LAYOUT_DATA))
            await made.holding.offer(made.ticket(LAYOUT_DATA))
            made.holding.tick()
            assert made.outbox.said == []

    asyncio.run(scenario())


def test_a_recorded_blob_that_no_peer_could_send_is_asked_for_again(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with bench(tmp_path) as made:
            digest = sha256(LAYOUT_DATA)
            made.put_state(state_keys.blob(digest), record_of(LAYOUT_DATA))
            made.peers.answers[ValidatorId(1)] = serving()
            made.holding.keep(digest)
            await ticked(made, FETCH_AGAIN_TICKS - 1)
            made.peers.answers[ValidatorId(2)] = serving(LAYOUT_DATA)
            await ticked(made, 1)
            async with asyncio.timeout(WAIT_SECONDS):
                while not made.store.has(digest):
                    await turns()
            assert made.store.record(digest).recorded
            assert made.peers.asked == [1, 1, 2]

    asyncio.run(scenario())


def test_an_update_that_nobody_has_any_more_is_not_asked_for_for_ever(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with bench(tmp_path) as made:
            digest = sha256(UPDATE)
            facts = next(facts for facts in FACTS if isinstance(facts, UpdateFacts))
            record = BlobRecord(size=len(UPDATE), facts=facts, recorded=Height(1))
            made.put_state(state_keys.blob(digest), record)
            made.peers.answers[ValidatorId(1)] = serving()
            made.holding.keep(digest)
            await ticked(made, 2 * FETCH_AGAIN_TICKS)
            assert made.peers.asked == [1]

    asyncio.run(scenario())


def test_after_a_join_only_what_is_not_here_or_not_marked_is_seen_to(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with bench(tmp_path) as made:
            here, unmarked = made.add(b"here"), made.add(b"unmarked")
            made.blobs.set_recorded(here)
            away = sha256(LAYOUT_DATA)
            made.put_state(state_keys.blob(away), record_of(LAYOUT_DATA))
            made.peers.answers[ValidatorId(1)] = serving(LAYOUT_DATA)
            marked: list[Digest] = []
            set_recorded = made.store.set_recorded

            def noted(digest: Digest) -> None:
                marked.append(digest)
                set_recorded(digest)

            made.store.set_recorded = noted  # type: ignore[method-assign]
            for digest in (here, unmarked, away):
                made.holding.keep_if_missing(digest)
            async with asyncio.timeout(WAIT_SECONDS):
                while not (made.store.has(away) and made.store.record(away).recorded):
                    await turns()
            assert marked == [unmarked, away]

    asyncio.run(scenario())
