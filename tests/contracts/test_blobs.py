"""B1 to B9: each rule fires with its integers, and its near miss is accepted."""

from msgspec.structs import replace

from contracts import queries
from ledger.blobs import BlobFacts, ReportFacts
from ledger.entries import Accepted
from ledger.hashing import ZERO_DIGEST
from ledger.keys import Signature
from ledger.parameters import ChainParameters
from ledger.quantities import RoundNumber, ValidatorId
from ledger.transactions import RecordBlob
from tests.contracts.driver import Chain, digest, refused
from tests.contracts.training import LAYOUT, LAYOUT_FACTS, Training, model_facts, update_facts

BLOB = digest("blob")


def test_a_quorum_records_the_facts() -> None:
    chain = Chain()
    assert chain.verdict(chain.operator, chain.recording(BLOB, LAYOUT_FACTS, holders=(0, 2, 3))) == Accepted()
    record = queries.blob(chain.state, BLOB)
    assert record is not None
    assert (record.size, record.facts, record.recorded) == (1_000, LAYOUT_FACTS, chain.height)


def test_all_validators_may_sign() -> None:
    chain = Chain()
    assert chain.verdict(chain.operator, chain.recording(BLOB, LAYOUT_FACTS, holders=(0, 1, 2, 3))) == Accepted()


def test_any_key_on_chain_may_bring_the_signatures() -> None:
    chain = Training()
    site = chain.sites[min(chain.sites)]
    assert chain.verdict(site, chain.recording(BLOB, update_facts())) == Accepted()


def test_b1_an_empty_blob_is_none() -> None:
    chain = Chain()
    assert chain.verdict(chain.operator, chain.recording(BLOB, LAYOUT_FACTS, size=0)) == refused("B1", 0, 2**31)
    assert chain.verdict(chain.operator, chain.recording(BLOB, LAYOUT_FACTS, size=1)) == Accepted()


def test_b1_a_blob_has_a_largest_size() -> None:
    chain = Chain(parameters=ChainParameters(blob_bytes_max=500))
    assert chain.verdict(chain.operator, chain.recording(BLOB, LAYOUT_FACTS, size=501)) == refused("B1", 501, 500)
    assert chain.verdict(chain.operator, chain.recording(BLOB, LAYOUT_FACTS, size=500)) == Accepted()


def test_b2_a_blob_is_recorded_once() -> None:
    chain = Chain()
    body = chain.recording(BLOB, LAYOUT_FACTS)
    chain.accepted(chain.operator, body)
    assert chain.verdict(chain.operator, body) == refused("B2", chain.height - 1)


def test_b3_needs_a_quorum_of_the_current_set() -> None:
    chain = Chain(validators=6)
    assert chain.verdict(chain.operator, chain.recording(BLOB, LAYOUT_FACTS, holders=range(3))) == refused("B3", 4, 3)
    assert chain.verdict(chain.operator, chain.recording(BLOB, LAYOUT_FACTS, holders=range(4))) == Accepted()


def test_b4_holds_are_ascending() -> None:
    chain = Chain()
    assert chain.verdict(chain.operator, chain.recording(BLOB, LAYOUT_FACTS, holders=(0, 2, 1))) == refused("B4")


def test_b4_each_validator_counts_once() -> None:
    chain = Chain()
    assert chain.verdict(chain.operator, chain.recording(BLOB, LAYOUT_FACTS, holders=(0, 1, 1))) == refused("B4")


def test_b5_a_stranger_holds_nothing() -> None:
    chain = Chain()
    body = chain.recording(BLOB, LAYOUT_FACTS)
    stranger = replace(body.holds[2], validator=ValidatorId(4))
    assert chain.verdict(chain.operator, replace(body, holds=(*body.holds[:2], stranger))) == refused("B5", 4)


def test_b6_the_layout_of_a_model_is_recorded_first() -> None:
    chain = Chain()
    body = chain.recording(BLOB, model_facts(BLOB))
    assert chain.verdict(chain.operator, body) == refused("B6")
    executed = chain.block(chain.record(LAYOUT, LAYOUT_FACTS), chain.sign(chain.operator, body))
    assert [entry.receipt.verdict for entry in executed.entries] == [Accepted(), Accepted()]


def test_b6_the_layout_of_an_update_is_recorded_as_a_layout() -> None:
    chain = Training()
    chain.block(chain.record(digest("a model"), model_facts(digest("a model"))))
    of_model = update_facts(layout=digest("a model"))
    assert chain.verdict(chain.operator, chain.recording(BLOB, of_model)) == refused("B6")
    assert chain.verdict(chain.operator, chain.recording(BLOB, update_facts())) == Accepted()


def test_b7_a_model_stays_below_two_to_the_52() -> None:
    chain = Training()
    too_large = chain.recording(BLOB, model_facts(BLOB, magnitude_max=2**52 + 1))
    assert chain.verdict(chain.operator, too_large) == refused("B7", 2**52 + 1, 2**52)
    assert chain.verdict(chain.operator, chain.recording(BLOB, model_facts(BLOB, magnitude_max=2**52))) == Accepted()


def test_b8_an_update_stays_below_two_to_the_22() -> None:
    chain = Training()
    too_large = chain.recording(BLOB, update_facts(value_max=2**22 + 1))
    assert chain.verdict(chain.operator, too_large) == refused("B8", 2**22 + 1, 2**22)
    assert chain.verdict(chain.operator, chain.recording(BLOB, update_facts(value_max=2**22))) == Accepted()


def test_b9_every_signature_must_verify() -> None:
    chain = Chain()
    body = chain.recording(BLOB, LAYOUT_FACTS, holders=(0, 1, 2, 3))
    forged = replace(body.holds[3], signature=Signature(bytes(64)))
    assert chain.verdict(chain.operator, replace(body, holds=(*body.holds[:3], forged))) == refused("B9", 3)


def test_b9_validators_sign_exactly_these_facts() -> None:
    chain = Chain()
    signed = chain.recording(BLOB, LAYOUT_FACTS)
    for changed in (
        replace(signed, facts=replace(LAYOUT_FACTS, tensors=3)),
        replace(signed, size=signed.size + 1),
        replace(signed, blob=digest("another")),
    ):
        assert chain.verdict(chain.operator, changed) == refused("B9", 0)


def test_b9_a_hold_is_worth_nothing_under_another_validators_number() -> None:
    chain = Chain()
    swapped = tuple(
        replace(chain.hold(signer, BLOB, LAYOUT_FACTS), validator=ValidatorId(named))
        for named, signer in ((0, 0), (1, 2), (2, 1))
    )
    body = RecordBlob(blob=BLOB, size=1_000, facts=LAYOUT_FACTS, holds=swapped)
    assert chain.verdict(chain.operator, body) == refused("B9", 1)


def test_a_report_needs_no_layout() -> None:
    facts: BlobFacts = ReportFacts(task="any", round=RoundNumber(1), inputs_root=ZERO_DIGEST, fates=())
    chain = Chain()
    assert chain.verdict(chain.operator, chain.recording(BLOB, facts)) == Accepted()
