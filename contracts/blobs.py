"""RecordBlob: a quorum of validators holds a blob and agrees on its facts; from now on contracts may rely on them.

Anybody with a key on chain may bring the signatures: the statement is the validators'. Facts that no honest validator
would have signed are refused all the same, so that whatever reads them later may take their bounds for granted.
"""

from enum import StrEnum

from contracts import queries
from contracts.context import Call
from contracts.verdicts import Judgement, Refused, accept
from ledger import state_keys
from ledger.blobs import BlobFacts, Hold, LayoutFacts, ModelFacts, UpdateFacts
from ledger.encoding import encode
from ledger.errors import InvalidSignature
from ledger.records import BlobRecord
from ledger.state import StateView
from ledger.transactions import RecordBlob

MODEL_MAGNITUDE_MAX = 2**52
"""Largest absolute value of a global model, in units of 2^-32: what stays exact in the float64 it is converted by."""
UPDATE_VALUE_MAX = 2**22
"""Largest absolute integer of an update: the Gram matrix is exact in float64 blocks up to here."""


class BlobRule(StrEnum):
    """Why a blob is not recorded."""

    SIZE_OUT_OF_BOUNDS = "B1"
    """Empty or too large: (bytes, most)."""
    ALREADY_RECORDED = "B2"
    """It is recorded: (height)."""
    TOO_FEW_HOLDS = "B3"
    """No quorum of the current set: (needed, got)."""
    HOLDS_NOT_ASCENDING = "B4"
    """The HOLDs are not sorted by validator, each once."""
    HOLD_OF_STRANGER = "B5"
    """A HOLD of no current validator: (its number)."""
    LAYOUT_NOT_RECORDED = "B6"
    """The layout that the model or update is to fit is not recorded as one."""
    MODEL_TOO_LARGE = "B7"
    """A model's value is out of range: (largest, bound), in units of 2^-32."""
    UPDATE_TOO_LARGE = "B8"
    """An update's integer is out of range: (largest, bound)."""
    HOLD_NOT_SIGNED = "B9"
    """A HOLD's signature does not verify under that validator's service key: (its number)."""


def judge(call: Call, body: RecordBlob) -> Judgement:
    """Write the facts into state."""
    most = call.context.parameters.blob_bytes_max
    if not 1 <= body.size <= most:
        raise Refused(BlobRule.SIZE_OUT_OF_BOUNDS, body.size, most)
    earlier = queries.blob(call.state, body.blob)
    if earlier is not None:
        raise Refused(BlobRule.ALREADY_RECORDED, earlier.recorded)
    _check_holders(call, body)
    _check_facts(call.state, body.facts)
    _check_signatures(call, body)
    record = BlobRecord(size=body.size, facts=body.facts, recorded=call.context.height)
    return accept(writes={state_keys.blob(body.blob): encode(record)})


def _check_holders(call: Call, body: RecordBlob) -> None:
    validators = call.context.validators
    holders = [hold.validator for hold in body.holds]
    if len(holders) < validators.quorum:
        raise Refused(BlobRule.TOO_FEW_HOLDS, validators.quorum, len(holders))
    if holders != sorted(set(holders)):
        raise Refused(BlobRule.HOLDS_NOT_ASCENDING)
    for holder in holders:
        if holder not in validators:
            raise Refused(BlobRule.HOLD_OF_STRANGER, holder)


def _check_facts(state: StateView, facts: BlobFacts) -> None:
    if not isinstance(facts, ModelFacts | UpdateFacts):
        return
    if queries.blob_facts(state, facts.layout, LayoutFacts) is None:
        raise Refused(BlobRule.LAYOUT_NOT_RECORDED)
    if isinstance(facts, ModelFacts):
        if facts.magnitude_max > MODEL_MAGNITUDE_MAX:
            raise Refused(BlobRule.MODEL_TOO_LARGE, facts.magnitude_max, MODEL_MAGNITUDE_MAX)
    elif facts.value_max > UPDATE_VALUE_MAX:
        raise Refused(BlobRule.UPDATE_TOO_LARGE, facts.value_max, UPDATE_VALUE_MAX)


def _check_signatures(call: Call, body: RecordBlob) -> None:
    """Check the signatures last: they are all that costs."""
    context = call.context
    statement = Hold(era=context.era, blob=body.blob, size=body.size, facts=body.facts)
    for hold in body.holds:
        validator = context.validators.get(hold.validator)
        assert validator is not None, "strangers have been refused"
        try:
            statement.verify(validator.service_key, hold.signature, chain_id=context.chain_id)
        except InvalidSignature as error:
            raise Refused(BlobRule.HOLD_NOT_SIGNED, hold.validator) from error
