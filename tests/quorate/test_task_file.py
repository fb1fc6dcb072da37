"""The task file: everything in it ends in the registration, exactly, and nothing else is taken."""

from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.errors import ConfigurationError
from ledger.hashing import ZERO_DIGEST, sha256
from ledger.quantities import ParticipantId
from ledger.tasks import CappedExamples, EqualWeights, Invitation, Mean, TrimmedMean
from quorate.errors import UsageError
from quorate.task_file import TaskFile, _milliseconds, _norm, read_task_file, task_spec, template

SOURCE = sha256(b"model")
PARTICIPANTS = {f"hospital-{letter}/site": ParticipantId(number) for number, letter in ((7, "a"), (3, "b"), (5, "c"))}


def read(folder: Path, text: str) -> TaskFile:
    file = folder / "task.toml"
    file.write_text(text, encoding="utf-8")
    return read_task_file(file)


def plan() -> str:
    return template("cardio", source=SOURCE)


def test_the_template_is_a_task_that_may_be_registered(tmp_path: Path) -> None:
    layout, model = sha256(b"layout"), sha256(b"initial")
    spec = task_spec(read(tmp_path, plan()), layout=layout, initial_model=model, participants=PARTICIPANTS)
    assert (spec.name, spec.layout, spec.initial_model, spec.source) == ("cardio", layout, model, SOURCE)
    assert (spec.rule, spec.weights, spec.faulty_max) == (TrimmedMean(), EqualWeights(), 1)
    assert (spec.norm_max, spec.deadline_ms, spec.attempt_ms) == (4 * 2**30, 600_000, 120_000)
    assert (spec.updates_min, spec.rounds_max, spec.committee_size, spec.retain_rounds) == (3, 20, 3, 10)


def test_the_template_invites_whom_it_is_told_to(tmp_path: Path) -> None:
    invited = ["alpha/site", "beta/annex"]
    file = read(tmp_path, template("cardio", source=SOURCE, invited=invited))
    assert [it.participant for it in file.invited] == invited
    with pytest.raises(UsageError, match="ORGANISATION/NAME"):
        template("cardio", source=SOURCE, invited=["alpha"])


def test_the_invited_are_looked_up_and_sorted_by_number(tmp_path: Path) -> None:
    spec = task_spec(read(tmp_path, plan()), layout=SOURCE, initial_model=SOURCE, participants=PARTICIPANTS)
    assert spec.invited == tuple(
        Invitation(participant=ParticipantId(number), examples_max=1_000) for number in (3, 5, 7)
    )


def test_rule_and_weights_are_named_as_people_know_them(tmp_path: Path) -> None:
    text = plan().replace('"trimmed-mean"', '"mean"').replace('"equal"', '"capped-examples"')
    spec = task_spec(read(tmp_path, text), layout=SOURCE, initial_model=SOURCE, participants=PARTICIPANTS)
    assert (spec.rule, spec.weights) == (Mean(), CappedExamples())


def test_a_task_without_source_has_none(tmp_path: Path) -> None:
    text = plan().replace(SOURCE.hex(), "")
    spec = task_spec(read(tmp_path, text), layout=SOURCE, initial_model=SOURCE, participants=PARTICIPANTS)
    assert spec.source == ZERO_DIGEST


def test_somebody_who_is_not_enrolled_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="hospital-c/site"):
        task_spec(
            read(tmp_path, plan()),
            layout=SOURCE,
            initial_model=SOURCE,
            participants={name: number for name, number in PARTICIPANTS.items() if name != "hospital-c/site"},
        )


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('name = "cardio"', 'name = "Cardio"'),
        ("faulty_max = 1", "faulty_max = -1"),
        ("faulty_max = 1", "faulty_max = 1.5"),
        ("faulty_max = 1", ""),
        ("faulty_max = 1", "faulty_mx = 1"),
        ('rule = "trimmed-mean"', 'rule = "median"'),
        ("norm_max = 4.0", "norm_max = true"),
        ("updates_min = 3", "updates_min = 70000"),
        ('participant = "hospital-a/site"', 'participant = "hospital-a"'),
        ("examples_max = 1000", "examples_max = -1"),
        ("rounds_max = 20", "rounds_max = 20 20"),
        (SOURCE.hex(), "abc"),
    ],
)
def test_what_is_wrong_is_refused(tmp_path: Path, old: str, new: str) -> None:
    text = plan()
    assert old in text
    with pytest.raises(ConfigurationError, match=r"task\.toml"):
        read(tmp_path, text.replace(old, new))


def test_an_unknown_key_gets_a_suggestion(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"unknown field `faulty_mx`; did you mean faulty_max\?"):
        read(tmp_path, plan().replace("faulty_max = 1", "faulty_mx = 1"))


def test_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="task file"):
        read_task_file(tmp_path / "nothing.toml")


def test_a_huge_file_is_refused_before_it_is_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="at most"):
        read(tmp_path, "#" * 2**21)


@pytest.mark.parametrize(
    ("text", "units"),
    [("4.0", 2**32), ("4", 2**32), ("0.1", 107_374_182), ("1e-9", 1), ("8589934591.999", 2**63 - 1_073_742)],
)
def test_a_norm_bound_is_rounded_down(text: str, units: int) -> None:
    assert _norm(Decimal(text)) == units


@pytest.mark.parametrize("text", ["0", "-1", "1e-10", "8589934592", "1e999999", "1e-999999", "nan", "inf"])
def test_a_norm_bound_out_of_range_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError):
        _norm(Decimal(text))


@pytest.mark.parametrize("text", ["0", "-5", "0.0001", "1e20", "inf", "nan"])
def test_a_time_that_is_no_whole_number_of_milliseconds_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError):
        _milliseconds("round_seconds", Decimal(text))


@settings(deadline=None)
@given(st.integers(1, 10**12))
def test_milliseconds_are_exact(milliseconds: int) -> None:
    assert _milliseconds("round_seconds", Decimal(milliseconds) / 1_000) == milliseconds
