"""Serving those who are late: blocks, bodies and view changes, in answers that always fit and never lead nowhere."""

import pytest

from consensus.catch_up import ANSWER_BYTES_MAX
from consensus.messages import BLOCKS_MAX, Blocks, FetchBlocks, FetchBody, FetchViewChanges, Finality, Proposal, Status
from ledger.blocks import Block
from ledger.certificates import CertifiedBlock
from ledger.quantities import Era, Height, View
from tests.consensus.bench import Bench
from tests.consensus.forge import Forge

FORGE = Forge()
CHAIN = FORGE.chain(4)


def bare(block: Block) -> CertifiedBlock:
    return CertifiedBlock(block=block, certificate=None)


def holding(*certified: CertifiedBlock, forge: Forge = FORGE) -> Bench:
    """Return a replica that has caught up with these blocks."""
    bench = Bench(forge, 0)
    bench.receive(1, Status(era=Era(0), view=View(0), head=Height(len(certified))))
    bench.receive(1, Blocks(blocks=certified))
    assert bench.height == len(certified)
    return bench


def served(bench: Bench, *, start: int = 1, count: int = 64) -> list[int]:
    """Return the heights of an answer; it ends with a certificate."""
    (answer,) = bench.receive(2, FetchBlocks(start=Height(start), count=count))
    assert isinstance(answer, Blocks)
    assert answer.blocks[-1].certificate is not None
    return [certified.block.header.height for certified in answer.blocks]


def large(count: int) -> list[Block]:
    """Return blocks of which two together are a little too large for one answer."""
    blocks: list[Block] = []
    for number in range(count):
        parent = blocks[-1].header if blocks else FORGE.genesis
        blocks.append(FORGE.block(parent, bytes(ANSWER_BYTES_MAX // 2) + bytes([number])))
    return blocks


@pytest.mark.parametrize(("start", "count", "heights"), [(1, 64, [1, 2, 3, 4]), (3, 1, [3]), (2, 2, [2, 3])])
def test_blocks_are_served_from_a_height_on(start: int, count: int, heights: list[int]) -> None:
    bench = holding(*map(FORGE.certified, CHAIN))
    assert served(bench, start=start, count=count) == heights


@pytest.mark.parametrize(("start", "count"), [(5, 64), (1, 0), (0, 64), (2**63 - 1, 65_535)])
def test_what_is_not_there_is_not_answered(start: int, count: int) -> None:
    bench = holding(*map(FORGE.certified, CHAIN))
    assert bench.receive(2, FetchBlocks(start=Height(start), count=count)) == []


def test_an_answer_ends_with_a_certified_block() -> None:
    a, b, c, d = CHAIN
    bench = holding(FORGE.certified(a), bare(b), bare(c), FORGE.certified(d))
    assert served(bench, count=3) == [1]
    assert served(bench, start=2, count=1) == [2, 3, 4], "the only answer that leads anywhere"


def test_an_answer_stops_at_its_size() -> None:
    assert served(holding(*map(FORGE.certified, large(3)))) == [1]


def test_large_blocks_that_have_no_certificate_of_their_own_are_served_with_the_one_that_covers_them() -> None:
    """An answer that stopped at its size, before any certificate, would leave whoever asks behind for ever."""
    a, b, c = large(3)
    assert served(holding(bare(a), bare(b), FORGE.certified(c))) == [1, 2, 3]


def test_blocks_without_certificates_do_not_make_an_answer_too_large_that_has_one_before() -> None:
    """A liar may have left certificates out; what follows from them must still fit into a frame, or a node stops."""
    a, b, c, d = large(4)
    bench = holding(FORGE.certified(a), bare(b), bare(c), FORGE.certified(d))
    assert served(bench) == [1]
    assert served(bench, start=2) == [2, 3, 4]


def test_as_many_blocks_as_one_certificate_can_finalise_at_once_fit_into_an_answer() -> None:
    """Two windows of bodies may be here when the certificate comes: all of them get none of their own."""
    forge = Forge(window=64)
    chain = forge.chain(2 * forge.window)
    bench = Bench(forge, 0)
    for block in chain[: forge.window]:
        bench.propose(block)
    for block in chain[forge.window :]:
        bench.receive(1, Proposal(block=block), forge.pre_prepare(block.header))
    bench.receive(2, Finality(certificate=forge.certificate(chain[-1].header)))
    assert bench.height == len(chain) <= BLOCKS_MAX
    assert served(bench) == list(range(1, len(chain) + 1))


def test_a_body_in_flight_and_that_of_the_head_are_served() -> None:
    bench = holding(*map(FORGE.certified, CHAIN[:3]))
    bench.propose(CHAIN[3])
    for block in CHAIN[2:]:
        assert bench.receive(2, FetchBody(digest=block.digest)) == [Proposal(block=block)]
    assert bench.receive(2, FetchBody(digest=CHAIN[0].digest)) == []


def test_a_view_change_is_sent_once_however_often_a_question_names_it() -> None:
    bench = Bench(FORGE, 0)
    change = FORGE.view_change(3, 1)
    bench.receive(3, change)
    assert bench.receive(2, FetchViewChanges(digests=(change.payload.digest,) * 25)) == [change]
