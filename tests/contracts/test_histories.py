"""Random histories of one task: whatever is sent in whatever order, the records agree with the log.

The oracle knows only the log: transactions with their receipts, and the actions of the chain itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from contracts import due, queries
from ledger.blobs import Fate, FateRecord
from ledger.entries import Accepted, Entry, Rejected, RoundDecided, RoundOpened, RoundVoided, TransactionEntry
from ledger.quantities import ParticipantId, RoundNumber, ValidatorId
from ledger.records import RoundStatus, TaskStatus
from ledger.transactions import SubmitUpdate, Withdraw
from tests.contracts.driver import next_due_time
from tests.contracts.training import MODEL, TASK, Training, task_spec, update_facts

PARTICIPANTS = 5
SPEC = replace(task_spec(PARTICIPANTS), rounds_max=4)
JUDGED_BEFORE_INVITATION = {"U1", "U2", "U3", "U4"}

MOVES = st.tuples(st.integers(min_value=1, max_value=PARTICIPANTS), st.integers(min_value=0, max_value=9))
"""Who does something, and a number that says what (`transactions`)."""
STEPS = st.lists(st.tuples(st.booleans(), st.lists(MOVES, max_size=8)), min_size=8, max_size=24)
"""Blocks: whether the chain waits until something is due, and the moves in it."""


@dataclass
class Oracle:
    """What the log says about each round."""

    accepted: dict[tuple[int, int], bool] = field(default_factory=dict)
    withdrew: set[tuple[int, int]] = field(default_factory=set)
    late: set[tuple[int, int]] = field(default_factory=set)
    refused: set[tuple[int, int]] = field(default_factory=set)
    ended: list[RoundDecided | RoundVoided] = field(default_factory=list)
    opened: list[RoundOpened] = field(default_factory=list)

    def read(self, entry: Entry, who: int) -> None:
        if not isinstance(entry, TransactionEntry):
            if isinstance(entry.action, RoundDecided | RoundVoided):
                self.check_fates(entry.action)
                self.ended.append(entry.action)
            if isinstance(entry.action, RoundOpened):
                self.opened.append(entry.action)
            return
        body, verdict = entry.signed.transaction.body, entry.receipt.verdict
        if isinstance(body, Withdraw) and isinstance(verdict, Accepted):
            self.accepted[body.round, who] = False
            self.withdrew.add((body.round, who))
        if isinstance(body, SubmitUpdate):
            place = (body.round, who)
            if isinstance(verdict, Accepted):
                assert not self.accepted.get(place)
                self.accepted[place] = True
            elif verdict.rule == "U5":
                self.late.add(place)
            elif verdict.rule not in JUDGED_BEFORE_INVITATION:
                self.refused.add(place)

    def check_fates(self, ended: RoundDecided | RoundVoided) -> None:
        assert ended.round not in [earlier.round for earlier in self.ended]
        assert [item.participant for item in ended.fates] == list(range(1, PARTICIPANTS + 1))
        for item in ended.fates:
            assert item.fate in self.possible(ended, item), (ended.round, item)

    def possible(self, ended: RoundDecided | RoundVoided, item: FateRecord) -> set[Fate]:
        place = (ended.round, item.participant)
        if self.accepted.get(place):
            return {Fate.USED, Fate.CUT} if isinstance(ended, RoundDecided) else {Fate.UNUSED}
        if place in self.withdrew:
            return {Fate.WITHDRAWN}
        if place in self.late:
            return {Fate.LATE}
        return {Fate.REJECTED} if place in self.refused else {Fate.ABSENT}


def transactions(chain: Training, moves: Sequence[tuple[int, int]]) -> list[bytes]:
    """Return what the moves mean in the current round: mostly updates while it is open, attestations once drawn."""
    raws: list[bytes] = []
    round_ = chain.round()
    for who, what in moves:
        site = chain.sites[ParticipantId(who)]
        if round_.attempt and round_.status is RoundStatus.CLOSED and who < PARTICIPANTS:
            body = chain.outcome("one" if what < 6 else "other")
            raws.append(chain.sign(chain.members.services[ValidatorId(who - 1)], body))
        elif what < 2:
            raws.append(chain.sign(site, Withdraw(task=TASK, round=round_.round)))
        else:
            update = replace(chain.update(who), examples=10 if what < 8 else 0)
            raws += [chain.record(update.blob, update_facts()), chain.sign(site, update)]
    return raws


def check_state(chain: Training, oracle: Oracle) -> None:
    task = chain.task()
    running = task.status is TaskStatus.RUNNING
    assert queries.tasks_open(chain.state) == len(list(due.marks(chain.state))) == int(running)
    assert task.version == sum(isinstance(item, RoundDecided) for item in oracle.ended)
    for number in range(1, task.round + 1):
        record = chain.round(number)
        known = queries.participations(chain.state, TASK, RoundNumber(number))
        assert record.accepted == sum(item.blob is not None for item in known.values())
        ended = [item for item in oracle.ended if item.round == number]
        assert len(ended) == (record.status in {RoundStatus.DECIDED, RoundStatus.VOID})
        for item in ended:
            assert {who: entry.fate for who, entry in known.items()} == {
                fate.participant: fate.fate for fate in item.fates
            }
        if not ended:
            assert all(item.fate is None for item in known.values())
    decided = [item.model for item in oracle.ended if isinstance(item, RoundDecided)]
    assert task.model == ([MODEL, *decided])[-1]
    assert [item.round for item in oracle.opened] == list(range(1, task.round + 1))


def read_all(chain: Training, oracle: Oracle) -> None:
    by_key = {key.public: who for who, key in chain.sites.items()}
    for executed in chain.blocks:
        for entry in executed.entries:
            author = entry.signed.transaction.author if isinstance(entry, TransactionEntry) else None
            oracle.read(entry, by_key.get(author, 0) if author else 0)


def live(steps: Sequence[tuple[bool, Sequence[tuple[int, int]]]]) -> Training:
    """Return the chain after a history."""
    chain = Training(SPEC)
    for wait, moves in steps:
        raws = transactions(chain, moves)
        until = next_due_time(chain.state) if wait else None
        chain.block(*raws, time=max(chain.time, until) if until is not None else chain.time + 1)
    return chain


@given(steps=STEPS)
@settings(deadline=None, max_examples=40)
def test_fates_and_records_agree_with_the_log(steps: list[tuple[bool, list[tuple[int, int]]]]) -> None:
    chain, oracle = live(steps), Oracle()
    read_all(chain, oracle)
    check_state(chain, oracle)


@given(order=st.permutations(range(PARTICIPANTS)))
@settings(deadline=None, max_examples=15)
def test_independent_transactions_give_the_same_state_in_any_order(order: list[int]) -> None:
    def after(places: Sequence[int]) -> bytes:
        chain = Training(task_spec())
        for who in range(1, PARTICIPANTS):
            chain.recorded_update(who)
        raws = [chain.sign(chain.sites[ParticipantId(who)], chain.update(who)) for who in range(1, PARTICIPANTS)]
        raws.append(chain.record(chain.update(5).blob, update_facts()))
        return chain.block(*(raws[place] for place in places)).block.header.state_root

    assert after(order) == after(range(PARTICIPANTS))


@given(order=st.permutations(range(9)))
@settings(deadline=None, max_examples=25)
def test_no_order_of_dependent_transactions_is_more_than_a_verdict(order: list[int]) -> None:
    chain = Training(task_spec())
    raws = []
    for who in (1, 2, 3):
        update, site = chain.update(who), chain.sites[ParticipantId(who)]
        raws.append(chain.record(update.blob, update_facts()))
        raws.append(chain.sign(site, update))
        raws.append(chain.sign(site, Withdraw(task=TASK, round=RoundNumber(1))))
    executed = chain.block(*(raws[place] for place in order))
    for entry in executed.entries:
        assert isinstance(entry.receipt.verdict, Accepted | Rejected)
    place = {raw: index for index, raw in enumerate(order)}
    kept = [who for who in (1, 2, 3) if chain.participation(who).blob is not None]
    expected = [
        number + 1
        for number in range(3)
        if place[3 * number] < place[3 * number + 1] and not place[3 * number + 1] < place[3 * number + 2]
    ]
    assert kept == expected


def test_eight_rounds_from_the_initial_model() -> None:
    chain = Training(replace(SPEC, rounds_max=9))
    chain.decide([1, 2, 3])
    chain.block(time=chain.round().deadline)
    for _ in range(7):
        chain.decide([2, 3, 4, 5])
    task = chain.task()
    assert (task.status, task.round, task.version) == (TaskStatus.FINISHED, 9, 8)
    models = [queries.model(chain.state, TASK, version) for version in map(type(task.version), range(9))]
    base = MODEL
    for version, model in enumerate(models[1:], start=1):
        assert model is not None
        assert (model.version, model.base) == (version, base)
        assert model.round == version + (version > 1)
        base = model.model
    assert task.model == base
    statuses = [chain.round(number).status for number in range(1, 10)]
    assert statuses == [RoundStatus.DECIDED, RoundStatus.VOID, *[RoundStatus.DECIDED] * 7]
