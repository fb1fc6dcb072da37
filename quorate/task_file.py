"""The task file: what a consortium agrees on, as TOML to be edited and read aloud, and its way to a `TaskSpec`.

Numbers with a fraction are read as decimals and turned into the chain's integers; only the norm bound is rounded, down.
Participants are named as people know them (organisation/name) and looked up in the registry.
"""

import difflib
import re
import tomllib
from collections.abc import Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from ledger.errors import ConfigurationError
from ledger.hashing import ZERO_DIGEST, Digest
from ledger.quantities import U16, U63, U63_MAX, Name, ParticipantId
from ledger.tasks import (
    PRIVACY_PLAIN,
    CappedExamples,
    EqualWeights,
    FedAvg,
    Invitation,
    Mean,
    Rule,
    TaskSpec,
    TrimmedMean,
    WeightPolicy,
)
from quorate.errors import UsageError

TASK_FILE_BYTES_MAX = 2**20
LAYOUT_FILE = "layout.quorate"
MODEL_FILE = "model.safetensors"
TASK_FILE = "task.toml"
_DIGITS_MAX = 20

TEMPLATE = """\
# What the consortium agrees on. Edit it, let the other members read it, then: quorate task new {file}
name = "{name}"
layout = "{layout}"             # tensors, their grids and roles; made by `quorate task init`
initial_model = "{model}"   # int64 at 2^-32; made from the file with the digest below
source = "{source}"

rule = "trimmed-mean"                 # or "mean", which tolerates nobody faulty
weights = "equal"                     # or "capped-examples", with rule "mean" only
faulty_max = 1                        # b: hostile or broken participants that the task tolerates
norm_max = 4.0                        # longest update over the weights (l2); measure it on a pilot
updates_min = 3                       # fewest accepted updates for a round to count: at least 2b + 1
rounds_max = 20
round_seconds = 600                   # how long a round stays open
attempt_seconds = 120                 # how long the committee has, then all validators once more
committee_size = 3                    # validators that aggregate: at least 2f + 1
retain_rounds = 10                    # rounds for which validators keep the updates, so that anyone can recompute

# One table for each participant; enrol them first: quorate participant enrol
{invited}"""
_INVITED = """\
[[invited]]
participant = "{participant}"  # organisation/name
examples_max = 1000                   # what it reports counts at most this much
"""


_PARTICIPANT = r"\A[a-z0-9][a-z0-9-]{0,62}/[a-z0-9][a-z0-9-]{0,62}\Z"
_MADE_UP = ("hospital-a/site", "hospital-b/site", "hospital-c/site")


class _Invited(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    participant: Annotated[str, Meta(pattern=_PARTICIPANT)]
    examples_max: U63


class TaskFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A task file as written."""

    name: Name
    layout: str
    """File of the layout, beside this one."""
    initial_model: str
    """File of the initial model, beside this one."""
    source: Annotated[str, Meta(pattern=r"\A([0-9a-f]{64})?\Z")]
    """SHA-256 of the file that the model was made from; information only."""
    rule: Literal["mean", "trimmed-mean"]
    weights: Literal["equal", "capped-examples"]
    faulty_max: U16
    norm_max: Decimal
    updates_min: U16
    rounds_max: U63
    round_seconds: Decimal
    attempt_seconds: Decimal
    committee_size: U16
    retain_rounds: U63
    invited: tuple[_Invited, ...]


_RULES: dict[str, Rule] = {"mean": Mean(), "trimmed-mean": TrimmedMean()}
_WEIGHTS: dict[str, WeightPolicy] = {"equal": EqualWeights(), "capped-examples": CappedExamples()}


def template(name: str, *, source: Digest, invited: Sequence[str] = ()) -> str:
    """Return a task file to be edited, which invites these participants (organisation/name), or made-up ones.

    Raises UsageError for what names no participant.
    """
    for participant in invited:
        if re.fullmatch(_PARTICIPANT, participant) is None:
            raise UsageError("invited participant", expected="ORGANISATION/NAME", got=repr(participant))
    tables = "\n".join(_INVITED.format(participant=participant) for participant in invited or _MADE_UP)
    return TEMPLATE.format(
        file=TASK_FILE, name=name, layout=LAYOUT_FILE, model=MODEL_FILE, source=source.hex(), invited=tables
    )


def read_task_file(path: Path) -> TaskFile:
    """Read a task file; raises ConfigurationError."""
    try:
        if path.stat().st_size > TASK_FILE_BYTES_MAX:
            raise ConfigurationError(
                str(path), expected=f"at most {TASK_FILE_BYTES_MAX} bytes", got=path.stat().st_size
            )
        content = tomllib.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
        return msgspec.convert(content, TaskFile)
    except OSError as error:
        raise ConfigurationError(f"task file {path}", expected="one to read", got=error.strerror) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, msgspec.ValidationError) as error:
        raise ConfigurationError(f"{path.name}: {error}{_suggestion(str(error))}") from None


def _suggestion(message: str) -> str:
    """Return which key may have been meant where one is unknown."""
    unknown = re.search(r"unknown field `([^`]+)`", message)
    known = [*TaskFile.__struct_fields__, *_Invited.__struct_fields__]
    close = difflib.get_close_matches(unknown[1], known, n=1) if unknown else []
    return f"; did you mean {close[0]}?" if close else ""


def task_spec(
    file: TaskFile, *, layout: Digest, initial_model: Digest, participants: Mapping[str, ParticipantId]
) -> TaskSpec:
    """Return what is registered; `participants` are numbers by organisation/name.

    Raises ConfigurationError for an unknown participant or a number that has no exact integer.
    """
    return TaskSpec(
        name=file.name,
        layout=layout,
        initial_model=initial_model,
        source=Digest(bytes.fromhex(file.source)) if file.source else ZERO_DIGEST,
        rule=_RULES[file.rule],
        server=FedAvg(),
        weights=_WEIGHTS[file.weights],
        privacy=PRIVACY_PLAIN,
        faulty_max=file.faulty_max,
        norm_max=_norm(file.norm_max),
        invited=_invitations(file.invited, participants),
        updates_min=file.updates_min,
        deadline_ms=_milliseconds("round_seconds", file.round_seconds),
        attempt_ms=_milliseconds("attempt_seconds", file.attempt_seconds),
        committee_size=file.committee_size,
        rounds_max=file.rounds_max,
        retain_rounds=file.retain_rounds,
    )


def _invitations(invited: tuple[_Invited, ...], participants: Mapping[str, ParticipantId]) -> tuple[Invitation, ...]:
    unknown = [it.participant for it in invited if it.participant not in participants]
    if unknown:
        raise ConfigurationError(
            "invited participants",
            expected=f"enrolled ones: {', '.join(sorted(participants)) or 'none yet'}",
            got=unknown,
        )
    found = [Invitation(participant=participants[it.participant], examples_max=it.examples_max) for it in invited]
    return tuple(sorted(found, key=lambda invitation: invitation.participant))


def _units(name: str, value: Decimal, units: int) -> Fraction:
    """Return a number in another unit, exactly; raises ConfigurationError unless it is positive and of sane size."""
    if not (value.is_finite() and value > 0 and abs(value.adjusted()) <= _DIGITS_MAX):
        raise ConfigurationError(name, expected=f"a positive number of at most {_DIGITS_MAX} digits", got=value)
    return Fraction(value) * units


def _norm(value: Decimal) -> int:
    """Return a norm bound in units of 2^-30, rounded down: a bound is never wider than agreed."""
    count = int(_units("norm_max", value, 2**30))
    if not 1 <= count <= U63_MAX:
        raise ConfigurationError("norm_max", expected="2^-30 to 2^33", got=value)
    return count


def _milliseconds(name: str, value: Decimal) -> int:
    count = _units(name, value, 1_000)
    if count.denominator != 1 or count > U63_MAX:
        raise ConfigurationError(name, expected="seconds with at most three decimals", got=value)
    return int(count)
