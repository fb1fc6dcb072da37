"""ActivateProtocol: from a height on, every validator follows the next version of all rules.

The organisations that together run a quorum of the validators must approve, so they have installed a release that knows
the version before they let it become the rule. Versions are activated one after the other; naming the current one
calls off what was decided and has not begun. Each decision has a serial number, so that no approval serves twice.

The parameters change at the end of the block before that height: like every other rule the version is then part of the
parent's state, and the header of a block states the version that it was made by. Whether the software at hand knows a
version is no question for a contract: a node that does not must not judge the block at all (`ChainApplication`).
"""

from enum import StrEnum

from msgspec.structs import replace

from contracts import queries
from contracts.approvals import require
from contracts.context import BlockContext, Call
from contracts.verdicts import Judgement, Refused, accept
from ledger import state_keys
from ledger.encoding import encode
from ledger.entries import ProtocolActivated
from ledger.records import ProtocolRecord
from ledger.state import Overlay
from ledger.transactions import ActivateProtocol

NOTICE_HEIGHTS = 10
"""Least distance of the height from the block that decides: time for every node to raise its alarm."""


class ProtocolRule(StrEnum):
    """Why a protocol version is not activated."""

    SERIAL_NOT_NEXT = "R1"
    """The decision is not the next one: (expected, got)."""
    VERSION_NOT_NEXT = "R2"
    """Neither the current version, which calls off, nor the one after it: (current, got)."""
    NOTHING_TO_CALL_OFF = "R3"
    """The current version is named, and no other one is decided."""
    HEIGHT_TOO_SOON = "R4"
    """Too little notice: (least height, got)."""


def judge(call: Call, body: ActivateProtocol) -> Judgement:
    """Note the decision; accepted values: (version, height)."""
    decided, current = queries.protocol(call.state), call.context.parameters.protocol
    serial = 1 if decided is None else decided.serial + 1
    if body.serial != serial:
        raise Refused(ProtocolRule.SERIAL_NOT_NEXT, serial, body.serial)
    if body.version not in {current, current + 1}:
        raise Refused(ProtocolRule.VERSION_NOT_NEXT, current, body.version)
    if body.version == current and (decided is None or decided.version == current):
        raise Refused(ProtocolRule.NOTHING_TO_CALL_OFF)
    soonest = call.context.height + NOTICE_HEIGHTS
    if body.version != current and body.height < soonest:
        raise Refused(ProtocolRule.HEIGHT_TOO_SOON, soonest, body.height)
    require(call, body)
    record = ProtocolRecord(serial=serial, version=body.version, height=body.height)
    return accept(body.version, body.height, writes={state_keys.PROTOCOL: encode(record)})


def activate(context: BlockContext, state: Overlay) -> list[ProtocolActivated]:
    """Let the next block follow the version that was decided for its height."""
    decided, parameters = queries.protocol(state), queries.parameters(state)
    if decided is None or decided.version == parameters.protocol or decided.height != context.height + 1:
        return []
    state.put(state_keys.PARAMETERS, encode(replace(parameters, protocol=decided.version)))
    return [ProtocolActivated(version=decided.version)]
