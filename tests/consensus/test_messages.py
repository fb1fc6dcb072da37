"""Messages and records have one byte form, and decoding refuses every other one."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consensus.messages import BLOCKS_MAX, Blocks, Message
from consensus.records import (
    BodyRecord,
    CutRecord,
    EnteredRecord,
    PreparedRecord,
    PrePrepareRecord,
    Record,
    ViewChangeRecord,
    VotesRecord,
    decode_record,
    encode_record,
    era_of,
    needed_records,
)
from ledger.encoding import decode, encode
from ledger.errors import InputError, MalformedEncoding
from ledger.quantities import VALIDATORS_MAX, Era, Height, View
from ledger.statements import WINDOW_MAX
from ledger.votes import VoteKind
from tests.consensus.forge import Forge
from tests.ledger.strategies import trying, values
from tests.simulation.faults import Envelope

FORGE = Forge()
A, B, C = FORGE.chain(3)
CHANGES = FORGE.view_changes(2)
NEW_VIEW = FORGE.new_view(CHANGES)


@trying(150)
@given(values(Message))
def test_every_message_comes_back_as_it_was(message: Message) -> None:
    assert decode(encode(Envelope(message=message)), Envelope).message == message


@trying(80)
@given(values(Record))
def test_every_record_comes_back_as_it_was(record: Record) -> None:
    assert decode_record(encode_record(record)) == record


@trying(150)
@given(values(Message), st.data())
def test_bytes_changed_anywhere_are_another_message_or_refused(message: Message, data: st.DataObject) -> None:
    good = encode(Envelope(message=message))
    place = data.draw(st.integers(0, len(good) - 1))
    changed = data.draw(st.integers(0, 255).filter(lambda byte: byte != good[place]))
    bad = good[:place] + bytes([changed]) + good[place + 1 :]
    with suppress(InputError):
        assert decode(bad, Envelope).message != message


@trying(50)
@given(values(Record), st.data())
def test_a_record_cut_short_is_refused(record: Record, data: st.DataObject) -> None:
    good = encode_record(record)
    with pytest.raises(InputError):
        decode_record(good[: data.draw(st.integers(0, len(good) - 1))])


TOO_LONG: dict[str, Message] = {
    "blocks": Blocks(blocks=(FORGE.certified(A),) * (BLOCKS_MAX + 1)),
    "prepared certificates": FORGE.view_change(0, 1, prepared=[FORGE.prepared(A.header)] * (WINDOW_MAX + 1)),
    "view changes": FORGE.sign_new_view(
        type(NEW_VIEW.payload)(
            validator=NEW_VIEW.payload.validator,
            era=NEW_VIEW.payload.era,
            view=NEW_VIEW.payload.view,
            view_changes=(A.digest,) * (VALIDATORS_MAX + 1),
            base=NEW_VIEW.payload.base,
            choices=(),
        )
    ),
}


@pytest.mark.parametrize("what", TOO_LONG)
def test_more_than_the_limit_is_refused_while_decoding(what: str) -> None:
    with pytest.raises(MalformedEncoding):
        decode(encode(Envelope(message=TOO_LONG[what])), Envelope)


def of_height(height: int) -> list[Record]:
    """Return a record of each kind that speaks of a height."""
    header = (A, B, C)[height - 1].header
    vote = FORGE.vote(VoteKind.PRE_PREPARE, header)
    return [
        BodyRecord(block=(A, B, C)[height - 1]),
        PrePrepareRecord(vote=vote, proof=FORGE.proof(FORGE.primary(0), vote)),
        VotesRecord(votes=(FORGE.vote(VoteKind.PREPARE, header),)),
        PreparedRecord(certificate=FORGE.prepared(header)),
    ]


def needed(records: list[Record], head: int) -> list[Record]:
    kept = needed_records([encode_record(record) for record in records], head=Height(head))
    return [decode_record(data) for data in kept]


def change(view: int) -> ViewChangeRecord:
    return ViewChangeRecord(view_change=FORGE.view_change(0, view))


def entered(view: int) -> EnteredRecord:
    changes = FORGE.view_changes(view)
    return EnteredRecord(new_view=FORGE.new_view(changes), view_changes=changes)


def test_records_up_to_the_head_are_not_needed() -> None:
    cut = CutRecord(era=Era(0), height=Height(2))
    assert needed([*of_height(1), *of_height(2), *of_height(3)], 2) == [cut, *of_height(3)]
    assert needed([cut, *of_height(3)], 2) == [cut, *of_height(3)]
    assert needed([cut, *of_height(3)], 3) == [CutRecord(era=Era(0), height=Height(3))]


def test_a_record_that_speaks_of_a_later_height_too_stays_whole() -> None:
    both = VotesRecord(votes=(FORGE.vote(VoteKind.COMMIT, A.header), FORGE.vote(VoteKind.PREPARE, B.header)))
    assert needed([both], 1) == [both]


def test_where_the_validator_stands_stays() -> None:
    records: list[Record] = [change(1), entered(1), change(2), entered(2), change(3), change(4)]
    assert needed(records, 9) == [entered(2), change(4)]
    assert needed(records[:4], 9) == [entered(2)]
    assert needed(records[:1], 9) == [change(1)]


@trying(80)
@given(values(Record))
def test_every_record_is_of_an_era(record: Record) -> None:
    assert era_of(record) >= 0


def test_a_payloads_digest_leaves_the_signature_out() -> None:
    payload = CHANGES[0].payload
    assert payload.digest == FORGE.view_change(payload.validator, View(2)).payload.digest
