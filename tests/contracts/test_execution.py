"""Order of entries, receipts, and what a refusal may write."""

from msgspec.structs import replace

from contracts.context import BlockContext
from contracts.execution import execute, judge
from ledger import state_keys
from ledger.encoding import encode
from ledger.entries import ActionEntry, CommitteeDrawn, RoundClosed, RoundOpened, TransactionEntry
from ledger.quantities import ParticipantId, TimeMs
from ledger.state import Overlay
from ledger.transactions import EnrolParticipant, RegisterTask, decode_transaction
from tests.consortium import signing_key
from tests.contracts.driver import Chain, refused, verdicts
from tests.contracts.training import DEADLINE_MS, TASK, Training, task_spec

BODY = EnrolParticipant(organisation="org-00", name="ward", key=signing_key("ward").public)
SPEC = task_spec()


def context(chain: Chain) -> BlockContext:
    return BlockContext.following(chain.tip.header, chain.state, time=TimeMs(chain.time + 1))


def test_entries_are_due_actions_then_transactions_then_follow_ups() -> None:
    chain = Training(replace(SPEC, deadline_ms=DEADLINE_MS))
    chain.send_all([1, 2, 3])
    register = chain.sign(chain.operator, RegisterTask(task=replace(SPEC, name="lung")))
    enrol = chain.sign(chain.operator, BODY)
    executed = chain.block(enrol, register, time=chain.round().deadline)
    kinds = [
        type(entry.action) if isinstance(entry, ActionEntry) else type(entry.signed.transaction.body)
        for entry in executed.entries
    ]
    assert kinds == [RoundClosed, EnrolParticipant, RegisterTask, RoundOpened]


def test_receipts_say_where_an_entry_stands() -> None:
    chain = Training(SPEC)
    chain.close()
    executed = chain.block(*(chain.sign(chain.operator, BODY) for _ in range(3)))
    assert isinstance(executed.entries[0], ActionEntry)
    assert isinstance(executed.entries[0].action, CommitteeDrawn)
    assert [entry.receipt.position for entry in executed.entries] == [0, 1, 2, 3]
    assert {entry.receipt.height for entry in executed.entries} == {chain.height}


def test_an_entry_holds_the_transaction_as_signed() -> None:
    chain = Chain()
    raw = chain.sign(chain.operator, BODY)
    (entry,) = chain.block(raw).entries
    assert isinstance(entry, TransactionEntry)
    assert encode(entry.signed) == raw


def test_a_refusal_writes_nothing_but_its_id_and_what_the_rule_says() -> None:
    chain = Training(SPEC)
    site = chain.sites[ParticipantId(1)]
    signed = decode_transaction(chain.sign(site, chain.update(1)))
    execution = execute(context(chain), [signed])
    transaction = signed.transaction
    assert [entry.receipt.verdict for entry in execution.entries] == [refused("U9")]
    assert set(execution.writes) == {
        state_keys.used(transaction.valid_until, transaction.id),
        state_keys.participation(TASK, chain.round().round, ParticipantId(1)),
    }


def test_judging_writes_nothing() -> None:
    chain = Chain()
    state = Overlay(chain.state)
    judgement = judge(context(chain), state, decode_transaction(chain.sign(chain.operator, BODY)))
    assert state.writes == {}
    assert judgement.writes


def test_roles_are_those_of_the_parents_state() -> None:
    chain = Chain()
    site = signing_key("ward")
    chain.block(chain.sign(chain.operator, BODY))
    state = Overlay(chain.state)
    state.delete(state_keys.key(site.public))
    own = EnrolParticipant(organisation="org-00", name="x", key=signing_key("x").public)
    judgement = judge(context(chain), state, decode_transaction(chain.sign(site, own)))
    assert judgement.verdict == refused("P1")


def test_each_transaction_sees_what_came_before_it() -> None:
    chain = Chain()
    other = replace(BODY, name="other", key=signing_key("other").public)
    executed = chain.block(*(chain.sign(chain.operator, body) for body in (BODY, other, BODY)))
    assert [verdict.values for verdict in verdicts(executed)] == [(1,), (2,), (1,)]
    assert verdicts(executed)[2] == refused("P3", 1)
