"""HOLDs, tickets and read requests: signed by the right key, for one blob, on one chain."""

import pytest
from hypothesis import given
from msgspec.structs import replace

from ledger.blobs import (
    BlobFacts,
    Codec,
    Fate,
    Hold,
    LayoutFacts,
    ModelFacts,
    ReadRequest,
    ReportFacts,
    SignedReadRequest,
    SignedTicket,
    UpdateFacts,
    UploadTicket,
)
from ledger.encoding import decode, encode
from ledger.errors import InvalidSignature, MalformedEncoding, NonCanonicalEncoding, WrongChain
from ledger.keys import Signature
from ledger.quantities import Era, Height
from tests.ledger.helpers import CHAIN, OTHER_CHAIN, decode_union, digest, key
from tests.ledger.strategies import trying, values

HOLDER, AUTHOR = key("service 0"), key("participant")
FACTS = UpdateFacts(layout=digest("layout"), codec=Codec.I32, norm_squared=b"\1\0", value_max=7)
HOLD = Hold(era=Era(0), blob=digest("blob"), size=100, facts=FACTS)
TICKET = UploadTicket(
    chain_id=CHAIN,
    author=AUTHOR.public,
    blob=digest("blob"),
    size=100,
    layout=digest("layout"),
    expires=Height(9),
)
REQUEST = ReadRequest(chain_id=CHAIN, author=AUTHOR.public, blob=digest("blob"), expires=Height(9))


def test_a_hold_is_verified_under_the_key_that_signed_it() -> None:
    HOLD.verify(HOLDER.public, HOLD.sign(HOLDER, chain_id=CHAIN), chain_id=CHAIN)


@pytest.mark.parametrize(
    "changes",
    [{"era": Era(1)}, {"blob": digest("other")}, {"size": 101}, {"facts": replace(FACTS, value_max=8)}],
    ids=lambda changes: next(iter(changes)),
)
def test_a_hold_covers_every_field(changes: dict[str, object]) -> None:
    signature = HOLD.sign(HOLDER, chain_id=CHAIN)
    with pytest.raises(InvalidSignature):
        replace(HOLD, **changes).verify(HOLDER.public, signature, chain_id=CHAIN)


def test_a_hold_of_another_key_or_chain_is_refused() -> None:
    for signature in (HOLD.sign(AUTHOR, chain_id=CHAIN), HOLD.sign(HOLDER, chain_id=OTHER_CHAIN)):
        with pytest.raises(InvalidSignature):
            HOLD.verify(HOLDER.public, signature, chain_id=CHAIN)


def test_a_ticket_is_returned_once_verified() -> None:
    assert SignedTicket.sign(TICKET, AUTHOR).verify(chain_id=CHAIN) == TICKET


def test_a_read_request_is_returned_once_verified() -> None:
    assert SignedReadRequest.sign(REQUEST, AUTHOR).verify(chain_id=CHAIN) == REQUEST


@pytest.mark.parametrize("signed", [SignedTicket.sign(TICKET, AUTHOR), SignedReadRequest.sign(REQUEST, AUTHOR)])
def test_leave_on_another_chain_is_refused_by_name(signed: SignedTicket | SignedReadRequest) -> None:
    with pytest.raises(WrongChain, match=f"chain id: expected {OTHER_CHAIN.hex()}, got {CHAIN.hex()}"):
        signed.verify(chain_id=OTHER_CHAIN)


def test_a_ticket_with_another_field_is_refused() -> None:
    signed = SignedTicket.sign(TICKET, AUTHOR)
    with pytest.raises(InvalidSignature):
        replace(signed, ticket=replace(TICKET, size=101)).verify(chain_id=CHAIN)


def test_a_request_with_another_field_is_refused() -> None:
    signed = SignedReadRequest.sign(REQUEST, AUTHOR)
    with pytest.raises(InvalidSignature):
        replace(signed, request=replace(REQUEST, blob=digest("other"))).verify(chain_id=CHAIN)


def test_leave_to_read_is_no_leave_to_upload() -> None:
    ticket = replace(SignedTicket.sign(TICKET, AUTHOR), signature=SignedReadRequest.sign(REQUEST, AUTHOR).signature)
    with pytest.raises(InvalidSignature):
        ticket.verify(chain_id=CHAIN)


def test_leave_is_signed_with_its_authors_key_only() -> None:
    with pytest.raises(AssertionError):
        SignedTicket.sign(TICKET, HOLDER)
    with pytest.raises(AssertionError):
        SignedReadRequest.sign(REQUEST, HOLDER)


def test_a_signature_of_zeros_is_refused() -> None:
    with pytest.raises(InvalidSignature):
        HOLD.verify(HOLDER.public, Signature(bytes(64)), chain_id=CHAIN)


@trying(60)
@given(values(LayoutFacts) | values(ModelFacts) | values(UpdateFacts) | values(ReportFacts))
def test_facts_are_told_apart_by_their_tags(facts: BlobFacts) -> None:
    assert decode_union(encode(facts), BlobFacts) == facts


@pytest.mark.parametrize("norm", [b"\0", b"\0\1", b"\0" * 32])
def test_a_norm_has_one_byte_form(norm: bytes) -> None:
    with pytest.raises(NonCanonicalEncoding, match="no leading zero byte"):
        decode(encode((3, bytes(32), 1, norm, 0)), UpdateFacts)


def test_a_norm_of_more_than_32_bytes_is_malformed() -> None:
    with pytest.raises(MalformedEncoding):
        decode(encode((3, bytes(32), 1, b"\1" * 33, 0)), UpdateFacts)


def test_the_numbers_of_fates_never_change() -> None:
    assert {fate.name: fate.value for fate in Fate} == {
        "USED": 1,
        "CUT": 2,
        "REJECTED": 3,
        "LATE": 4,
        "ABSENT": 5,
        "WITHDRAWN": 6,
        "REMOVED": 7,
        "UNUSED": 8,
    }
