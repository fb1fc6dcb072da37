"""What a prompt shows of records: one line, digests as commands take them, no raw bytes."""

import pytest

from ledger.blobs import Fate
from ledger.hashing import Digest
from ledger.quantities import Height, ModelVersion, RoundNumber
from ledger.records import RoundStatus
from participant.receipts import Receipt
from participant.task import RoundOutcome
from tests.participant.test_updates import base

DIGEST = Digest(bytes(range(32)))


def receipt(proof: bytes) -> Receipt:
    return Receipt(
        transaction=DIGEST, height=Height(9), position=1, log_index=12, rule="U6", values=(3, 3), proof=proof
    )


def test_a_receipt_shows_its_transaction_as_commands_take_it() -> None:
    assert repr(receipt(bytes(1_234))) == (
        f"Receipt(transaction={DIGEST.hex()}, height=9, position=1, log_index=12, rule='U6', values=(3, 3), "
        "proof=<1,234 bytes>, is_remembered=False)"
    )


@pytest.mark.parametrize(("size", "shown"), [(0, "proof=,"), (32, f"proof={'00' * 32},"), (33, "proof=<33 bytes>,")])
def test_what_is_longer_than_a_digest_is_not_shown(size: int, shown: str) -> None:
    assert shown in repr(receipt(bytes(size)))


@pytest.mark.parametrize(("model", "shown"), [(DIGEST, DIGEST.hex()), (None, "None")])
def test_an_outcome_shows_its_model_in_hexadecimal(model: Digest | None, shown: str) -> None:
    outcome = RoundOutcome(
        round=RoundNumber(1),
        status=RoundStatus.DECIDED,
        fate=Fate.USED,
        rule=None,
        version=ModelVersion(1),
        model=model,
    )
    assert repr(outcome).endswith(f", version=1, model={shown})")


def test_a_global_model_does_not_show_its_weights() -> None:
    model = base()
    assert f"view=<{len(model.view)} bytes>" in repr(model)
