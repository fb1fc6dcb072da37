"""What chains record as numbers and names, in words for people: verdicts, transactions, actions, fates.

Records are read as JSON has them (`ledger.rendering.plain`, and the nodes' HTTP interface), so that an export and a
node are told of in the same words. Refusals and fates are `participant.words`, shared with the SDK.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from participant import words

Record: TypeAlias = Mapping[str, Any]
"""A noun as JSON has it."""

OFFENCES: Mapping[str, str] = {
    "DoubleVote": "two votes for different blocks",
    "DoubleViewChange": "two view changes for one view",
    "DoubleNewView": "two beginnings of one view",
    "Amnesia": "a view change that hides a commit",
}
"""What evidence shows, by its kind."""
OFFENCE_KINDS: Mapping[str, str] = {
    "proposal": "proposed or prepared two blocks",
    "commit": "committed two blocks",
    "phases": "committed another block than it prepared",
    "view-change": "sent two view changes for one view",
    "new-view": "began one view twice",
    "amnesia": "committed a block and hid it in a view change",
}
"""What a validator has done, by the name that JSON has for it."""
VOID_REASONS: Mapping[str, str] = {
    "too-few-updates": "too few updates were accepted",
    "not-attested": "no f+1 equal attestations came in time",
}


def verdict(found: Record) -> str:
    """Return how a transaction was judged."""
    if found["kind"] == "Accepted":
        return "accepted"
    return f"refused by rule {found['rule']}: {words.explain(found['rule'], tuple(found['values']))}"


def entry(found: Record) -> str:
    """Return what an entry of the log is about."""
    return action(found["action"]) if found["kind"] == "ActionEntry" else body(found["signed"]["transaction"]["body"])


def body(found: Record) -> str:
    """Return what a transaction asks for."""
    return _BODIES.get(found["kind"], _unknown)(found)


def change(found: Record) -> str:
    """Return what a change of membership would do."""
    return _CHANGES.get(found["kind"], _unknown)(found)


def action(found: Record) -> str:
    """Return what the chain did by itself."""
    return _ACTIONS.get(found["kind"], _unknown)(found)


def kind(name: str) -> str:
    """Return the name of a kind as task files have it: trimmed-mean for TrimmedMean."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", name).lower()


def blob_kind(facts: Record) -> str:
    """Return what a blob is, by its facts."""
    return str(facts["kind"]).removesuffix("Facts").lower()


def moment(milliseconds: int) -> str:
    """Return a time of the chain, to the second."""
    return words.moment(milliseconds, timespec="seconds")


def short(digest: str) -> str:
    """Return the beginning of a digest, as much as tells two apart at a glance."""
    return digest[:12]


def grouped(digest: str) -> str:
    """Return a digest in groups of four, as people read it aloud to each other."""
    return " ".join(digest[start : start + 4] for start in range(0, len(digest), 4))


def listed(items: list[Any]) -> str:
    """Return a short list in one cell."""
    return ", ".join(str(item) for item in items) or "-"


def _round(found: Record) -> str:
    return f"{found['task']} round {found['round']}"


def _unknown(found: Record) -> str:
    return str(found["kind"])


_BODIES: Mapping[str, Callable[[Record], str]] = {
    "EnrolParticipant": lambda it: f"enrol {it['organisation']}/{it['name']}",
    "RegisterTask": lambda it: f"register task {it['task']['name']}",
    "RecordBlob": lambda it: f"record {blob_kind(it['facts'])} {short(it['blob'])} of {it['size']:,} bytes",
    "SubmitUpdate": lambda it: f"update for {_round(it)}, {it['examples']:,} examples",
    "Withdraw": lambda it: f"withdraw the update for {_round(it)}",
    "Attest": lambda it: f"attest {_round(it)}: model {short(it['output'])}",
    "ChangeValidators": lambda it: change(it["change"]),
    "ReportEquivocation": lambda it: (
        f"report equivocation: {OFFENCES.get(it['evidence']['kind'], it['evidence']['kind'])}"
    ),
    "ActivateProtocol": lambda it: f"activate protocol version {it['version']} from block {it['height']:,} on",
}
_CHANGES: Mapping[str, Callable[[Record], str]] = {
    "RegisterLearner": lambda it: f"register a learner of {it['organisation']}",
    "DropLearner": lambda it: f"drop learner {it['learner']}",
    "AddValidator": lambda it: f"make learner {it['learner']} a validator",
    "RemoveValidator": lambda it: f"remove validator {it['validator']}",
    "ReplaceValidator": lambda it: f"replace validator {it['validator']} by learner {it['learner']}",
    "RotateKeys": lambda it: f"change keys or addresses of validator {it['validator']}",
}
_ACTIONS: Mapping[str, Callable[[Record], str]] = {
    "RoundClosed": lambda it: f"{_round(it)} closed with {it['inputs']} updates",
    "CommitteeDrawn": lambda it: f"committee of {_round(it)}: validators {listed(it['members'])}",
    "SecondAttempt": lambda it: f"{_round(it)}: every validator may attest now",
    "RoundDecided": lambda it: f"{_round(it)} decided: global model {it['task']}@{it['version']}",
    "RoundVoided": lambda it: f"{_round(it)} void: {VOID_REASONS.get(it['reason'], it['reason'])}",
    "RoundOpened": lambda it: f"{_round(it)} open on model {short(it['base'])}",
    "TaskFinished": lambda it: f"task {it['task']} finished",
    "ProtocolActivated": lambda it: f"protocol version {it['version']} from the next block on",
    "TaskHalted": lambda it: f"task {it['task']} halted: two outputs of round {it['round']} have f+1 attestations each",
}
