"""Execution of a block on an overlay of its parent's state: before the vote, in catch-up and in an audit alike.

Entries stand in this order: due actions, transactions, follow-ups. A refused transaction leaves only what its refusal
writes; its id is used up either way. Nothing but `Refused` is caught here: any other exception is a bug, and stops the
node.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import assert_never

from contracts import (
    actions,
    attestations,
    blobs,
    enrolment,
    equivocation,
    membership,
    protocols,
    queries,
    tasks,
    updates,
    withdrawals,
)
from contracts.context import BlockContext, Call
from contracts.verdicts import FollowUp, Judgement, Refused
from ledger import state_keys
from ledger.encoding import encode
from ledger.entries import Accepted, ActionEntry, Entry, Receipt, SystemAction, TransactionEntry, Verdict
from ledger.parameters import ENTRY_BYTES_MAX
from ledger.state import Overlay
from ledger.transactions import (
    ActivateProtocol,
    Attest,
    Body,
    ChangeValidators,
    EnrolParticipant,
    RecordBlob,
    RegisterTask,
    ReportEquivocation,
    SignedTransaction,
    SubmitUpdate,
    Withdraw,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """What a block does."""

    entries: tuple[Entry, ...]
    writes: dict[bytes, bytes | None]
    """Changes to the parent's state; None deletes."""


def execute(context: BlockContext, transactions: Sequence[SignedTransaction]) -> Execution:
    """Execute a block whose transactions are valid (`contracts.validity`)."""
    state = Overlay(context.before)
    entries = _Entries(context)
    actions.forget_expired(context, state)
    entries.add_actions(actions.begin(context, state))
    follow_ups: list[FollowUp] = []
    for signed in transactions:
        judgement = judge(context, state, signed)
        for key, value in judgement.writes.items():
            if value is None:
                state.delete(key)
            else:
                state.put(key, value)
        transaction = signed.transaction
        state.put(state_keys.used(transaction.valid_until, transaction.id), encode(context.height))
        follow_ups += judgement.follow_ups
        entries.add_transaction(signed, judgement.verdict)
    entries.add_actions(actions.end(context, state, follow_ups))
    return Execution(entries=tuple(entries.entries), writes=state.writes)


def judge(context: BlockContext, state: Overlay, signed: SignedTransaction) -> Judgement:
    """Return the judgement of one valid transaction on the state so far; writes nothing."""
    transaction = signed.transaction
    author = queries.key_record(context.before, transaction.author)
    assert author is not None, "validity has shown that the author is on chain"
    call = Call(context=context, state=state, author=author, transaction=transaction.id)
    try:
        return _dispatch(call, transaction.body)
    except Refused as refusal:
        return refusal.judgement()


def _dispatch(call: Call, body: Body) -> Judgement:  # noqa: PLR0911 - one case a body
    match body:
        case EnrolParticipant():
            return enrolment.judge(call, body)
        case RegisterTask():
            return tasks.judge(call, body)
        case RecordBlob():
            return blobs.judge(call, body)
        case SubmitUpdate():
            return updates.judge(call, body)
        case Withdraw():
            return withdrawals.judge(call, body)
        case Attest():
            return attestations.judge(call, body)
        case ChangeValidators():
            return membership.judge(call, body)
        case ReportEquivocation():
            return equivocation.judge(call, body)
        case ActivateProtocol():
            return protocols.judge(call, body)
        case _:
            assert_never(body)


class _Entries:
    """The block's entries so far; each gets its place."""

    def __init__(self, context: BlockContext) -> None:
        self._context = context
        self.entries: list[Entry] = []

    def add_transaction(self, signed: SignedTransaction, verdict: Verdict) -> None:
        self._add(TransactionEntry(signed=signed, receipt=self._receipt(verdict)))

    def add_actions(self, done: Iterable[SystemAction]) -> None:
        for action in done:
            self._add(ActionEntry(action=action, receipt=self._receipt(Accepted())))

    def _receipt(self, verdict: Verdict) -> Receipt:
        return Receipt(height=self._context.height, position=len(self.entries), verdict=verdict)

    def _add(self, entry: Entry) -> None:
        assert len(entry.data) <= ENTRY_BYTES_MAX
        self.entries.append(entry)
