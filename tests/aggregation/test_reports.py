"""Reports: facts, and what a hostile report is refused for."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aggregation.errors import InvalidReport
from aggregation.reports import REPORT_BYTES_MAX, CutReason, Report, ReportRecord, inputs_root, report_facts
from aggregation.shares import SHARE_ONE
from ledger.blobs import Fate, FateRecord
from ledger.encoding import encode
from ledger.errors import InputError, MalformedEncoding, TooLarge
from ledger.hashing import Digest, sha256
from ledger.quantities import U63_MAX, ParticipantId, RoundNumber
from ledger.tasks import Mean
from tests.aggregation.cases import one_weight, recipe, run

BLOBS = [sha256(b"one"), sha256(b"two"), sha256(b"three")]


def record(number: int, coefficient: int) -> ReportRecord:
    return ReportRecord(
        participant=ParticipantId(number),
        blob=BLOBS[number % 3],
        weight=1,
        fate=Fate.USED if coefficient else Fate.CUT,
        reason=CutReason.NONE if coefficient else CutReason.ALL_TRIMMED,
        coefficient=coefficient,
        clip_factor=SHARE_ONE,
        contribution=0,
        duplicate_of=ParticipantId(0),
    )


def report(*records: ReportRecord, root: Digest | None = None) -> Report:
    leaves = [(entry.participant, entry.blob, entry.weight) for entry in records]
    return Report(
        task="sepsis",
        round=RoundNumber(3),
        rule=BLOBS[0],
        inputs_root=inputs_root(leaves) if root is None else root,
        base=BLOBS[0],
        output=BLOBS[1],
        view=BLOBS[2],
        records=records,
    )


GOOD = report(record(2, SHARE_ONE // 2), record(5, 0), record(9, SHARE_ONE // 2))


def test_facts_give_each_input_its_fate() -> None:
    facts = report_facts(encode(GOOD))
    assert (facts.task, facts.round, facts.inputs_root) == ("sepsis", 3, GOOD.inputs_root)
    assert facts.fates == (
        FateRecord(participant=ParticipantId(2), fate=Fate.USED),
        FateRecord(participant=ParticipantId(5), fate=Fate.CUT),
        FateRecord(participant=ParticipantId(9), fate=Fate.USED),
    )


CONTRADICTIONS: dict[str, Report] = {
    "descending participants": report(record(9, SHARE_ONE // 2), record(2, SHARE_ONE // 2)),
    "a participant twice": report(record(2, SHARE_ONE // 2), record(2, SHARE_ONE // 2)),
    "coefficients below one": report(record(2, SHARE_ONE - 1)),
    "coefficients above one": report(record(2, SHARE_ONE), record(3, 1)),
    "another inputs root": report(record(2, SHARE_ONE), root=BLOBS[0]),
    "used with a reason": report(msgspec.structs.replace(record(2, SHARE_ONE), reason=CutReason.NO_WEIGHT)),
    "cut without a reason": report(msgspec.structs.replace(record(2, SHARE_ONE), fate=Fate.CUT)),
    "a fate of participants without input": report(
        record(2, SHARE_ONE), msgspec.structs.replace(record(3, 0), fate=Fate.ABSENT)
    ),
}


@pytest.mark.parametrize("what", CONTRADICTIONS)
def test_a_report_that_contradicts_itself_has_no_facts(what: str) -> None:
    with pytest.raises(InvalidReport):
        report_facts(encode(CONTRADICTIONS[what]))


OUTSIDE_THE_TYPE: dict[str, Callable[[], Report]] = {
    "no records": report,
    "more records than a round has inputs": lambda: report(*(record(n, 0) for n in range(1, 1_026))),
    "a share above one": lambda: report(msgspec.structs.replace(record(2, SHARE_ONE), contribution=SHARE_ONE + 1)),
    "an unknown reason": lambda: report(msgspec.structs.replace(record(2, SHARE_ONE), reason=77)),
    "a name with a space": lambda: msgspec.structs.replace(GOOD, task="a b"),
    "a short digest": lambda: msgspec.structs.replace(GOOD, base=b"short"),
}


@pytest.mark.parametrize("what", OUTSIDE_THE_TYPE)
def test_what_is_no_report_has_no_facts(what: str) -> None:
    with pytest.raises(MalformedEncoding):
        report_facts(encode(OUTSIDE_THE_TYPE[what]()))


def test_a_huge_report_is_refused_before_parsing() -> None:
    with pytest.raises(TooLarge):
        report_facts(bytes(REPORT_BYTES_MAX + 1))


def test_the_limit_in_bytes_leaves_room_for_every_report() -> None:
    largest = msgspec.structs.replace(
        record(2, SHARE_ONE),
        participant=ParticipantId(U63_MAX),
        weight=U63_MAX,
        contribution=SHARE_ONE,
        duplicate_of=ParticipantId(U63_MAX),
    )
    assert len(encode(report(*[largest] * 1_024))) < REPORT_BYTES_MAX


@given(st.data())
@settings(deadline=None, max_examples=200)
def test_a_changed_byte_is_refused_or_changes_no_fact_that_the_records_bind(data: st.DataObject) -> None:
    mutated = bytearray(encode(GOOD))
    mutated[data.draw(st.integers(0, len(mutated) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        facts = report_facts(bytes(mutated))
    except InputError:
        return
    assert facts.inputs_root == GOOD.inputs_root
    assert [fate.participant for fate in facts.fates] == [2, 5, 9]


def test_the_engines_own_reports_have_facts() -> None:
    rows: list[dict[str, Any]] = [{"w": [0]}, {"w": [0]}]
    outcome, _ = run(recipe(one_weight(1), Mean(), rows))
    assert report_facts(outcome.report) == outcome.report_facts
