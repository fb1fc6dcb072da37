"""Why an update counted or not, in words: receipts and fates carry numbers, never text.

Every rule by which a contract may refuse a transaction has a phrase, which names the integers that the contract
compared, in the order of the receipt; each is written in its unit.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import NamedTuple

MILLISECONDS_MAX = 253_402_300_799_999
"""Last millisecond of the year 9999; a later moment is written as a number."""
_EPOCH = datetime.fromtimestamp(0, UTC)

FATES: Mapping[str, str] = MappingProxyType(
    {
        "used": "its update is part of the global model",
        "cut": "accepted, and given no influence by the rule",
        "rejected": "everything it sent was refused",
        "late": "it sent something after the round had closed",
        "absent": "it sent nothing",
        "withdrawn": "it took its update back before the close",
        "removed": "it lost its place in the registry during the round",
        "unused": "accepted, but the round ended void",
    }
)
"""What became of an invited participant in a round, by the name that JSON has for it."""
CUTS: Mapping[str, str] = MappingProxyType(
    {
        "none": "it was not cut",
        "all-trimmed": "each of its values was among the lowest or the highest, which the rule leaves out",
        "no-weight": "the task's weights gave it none",
    }
)
"""Why the rule gave an accepted update no influence, by the name that JSON has for it."""


def percent(part: int, one: int) -> str:
    """Return a share in per cent; integers only, so that every machine prints the same."""
    thousandths = part * 100_000 // one
    return f"{thousandths // 1_000}.{thousandths % 1_000:03}%"


def _number(value: int) -> str:
    return f"{value:,}"


def _plain(value: int) -> str:
    return str(value)


def moment(milliseconds: int, *, timespec: str = "milliseconds") -> str:
    """Return a time of the chain, in UTC."""
    if milliseconds > MILLISECONDS_MAX:
        return f"{milliseconds:,} ms after 1970"
    at = _EPOCH + timedelta(milliseconds=milliseconds)
    return f"{at.isoformat(sep=' ', timespec=timespec).removesuffix('+00:00')}Z"


def _duration(value: int) -> str:
    return f"{value:,} ms"


def norm(value: int) -> str:
    """Return an l2 norm, with the integer that the contracts compare."""
    return f"{value / 2**30:.6g} ({value} * 2^-30)"


def _magnitude(value: int) -> str:
    return f"{value / 2**32:.6g} ({value} * 2^-32)"


def _octets(value: int) -> str:
    return f"{value:,} bytes"


class Words(NamedTuple):
    """A rule in words."""

    text: str
    """Each pair of braces takes the next integer."""
    units: tuple[Callable[[int], str], ...] = ()
    """How each integer is written."""


WORDS: Mapping[str, Words] = MappingProxyType(
    {
        "P1": Words("only an organisation's operator key may enrol participants."),
        "P2": Words("the organisation is unknown, or is not the one of the operator key that signed."),
        "P3": Words("the organisation has a participant of this name already: number {}.", (_plain,)),
        "P4": Words("the key is on chain already; each participant needs a key of its own."),
        "P5": Words("the registry is full: {} numbers are given, and there may be {}.", (_number, _number)),
        "T1": Words("only an organisation's operator key may register tasks."),
        "T2": Words("a task of this name was registered in block {}; names are never used again.", (_plain,)),
        "T3": Words("too many tasks are running: {} of {}.", (_number, _number)),
        "T4": Words("the layout is not recorded on chain as a layout; upload it first."),
        "T5": Words("the layout has no tensor with role weight, so there is nothing to train."),
        "T6": Words("the initial model is not recorded on chain as a model; upload it first."),
        "T7": Words("the initial model fits another layout than the task's."),
        "T8": Words("privacy mode {} is not built; mode 0 (plain) is.", (_plain,)),
        "T9": Words("{} participants are invited; there may be 1 to {}.", (_number, _number)),
        "T10": Words("the invited are not in ascending order, each once: {} is followed by {}.", (_plain, _plain)),
        "T11": Words("invited participant {} is not enrolled.", (_plain,)),
        "T12": Words(
            "participants {} and {} belong to one organisation; the bound on faulty participants counts organisations.",
            (_plain, _plain),
        ),
        "T13": Words(
            "updates_min is out of bounds: at least {} (2b + 1), set to {}, at most {} (the invited).",
            (_number, _number, _number),
        ),
        "T14": Words("the mean tolerates no faulty participant, but faulty_max is {}.", (_number,)),
        "T15": Words("this rule counts every update the same; weights by examples go with the mean only."),
        "T16": Words("the norm bound is zero, which no update but zero could meet."),
        "T17": Words("a round would stay open for {}; it may for 1 ms to {}.", (_duration, _duration)),
        "T18": Words("the committee would have {}; it may have 1 ms to {}.", (_duration, _duration)),
        "T19": Words("the task would have {} rounds; it may have 1 to {}.", (_number, _number)),
        "T20": Words(
            "the committee would have {} members; it may have {} (2f + 1) to {} (all validators).",
            (_number, _number, _number),
        ),
        "T21": Words(
            "aggregation would need integers of {} bits, and {} are safe: invite fewer, or use a finer grid.",
            (_plain, _plain),
        ),
        "T22": Words(
            "registered examples are out of bounds: the least is {} and must be 1 or more, the total is {} and must be "
            "below 2^32.",
            (_number, _number),
        ),
        "B1": Words("the blob has {}; it may have 1 to {}.", (_octets, _octets)),
        "B2": Words("the blob was recorded in block {} already, which is as good.", (_plain,)),
        "B3": Words("a quorum of {} validators must hold the blob; {} signed.", (_plain, _plain)),
        "B4": Words("the validators' signatures are not in ascending order, each once."),
        "B5": Words("validator {} signed, but is not in the current set.", (_plain,)),
        "B6": Words("the layout that the blob is to fit is not recorded on chain."),
        "B7": Words("the model's largest value is {}; it may be {}.", (_magnitude, _magnitude)),
        "B8": Words("the update's largest integer is {}; it may be {}.", (_number, _number)),
        "B9": Words("the signature of validator {} does not verify.", (_plain,)),
        "U1": Words("only a participant's key may submit updates."),
        "U2": Words("there is no task of this name."),
        "U3": Words("the update is for round {}, but round {} is the current one (0: none is).", (_plain, _plain)),
        "U4": Words("participant {} is not invited to the round.", (_plain,)),
        "U5": Words(
            "the update is late, the round had closed: the block's time was {}, the round's deadline {} (a round also "
            "closes as soon as everybody invited has an accepted update).",
            (moment, moment),
        ),
        "U6": Words("{} updates of this participant were refused in this round; {} may be.", (_plain, _plain)),
        "U7": Words("the participant has an accepted update in this round already."),
        "U8": Words("the update names another base model than the round's; train from the round's global model."),
        "U9": Words("no quorum of validators holds the update's file; upload it first."),
        "U10": Words("the file is not an update."),
        "U11": Words("the update fits another layout than the task's."),
        "U12": Words(
            "the update's l2 norm over the weights is {}, above the task's bound of {}; clip it, or train more gently.",
            (norm, norm),
        ),
        "U13": Words("the update was trained on no examples."),
        "G1": Words("the approvals are not in ascending order of their keys, each once."),
        "G2": Words("approval number {} (from 0) is by a key that is no organisation's operator key.", (_plain,)),
        "G3": Words(
            "the organisations that approve must together run at least {} validators; they run {}.", (_plain, _plain)
        ),
        "G4": Words("the signature of approval number {} (from 0) does not verify.", (_plain,)),
        "R1": Words("this would be decision {} about the rules, and says that it is decision {}.", (_plain, _plain)),
        "R2": Words(
            "the rules are of version {}; only the next version can be activated, or the current one named to call a "
            "decision off; this names {}.",
            (_plain, _plain),
        ),
        "R3": Words("no other version of the rules is decided, so there is nothing to call off."),
        "R4": Words("a new version of the rules may begin at height {} or later, not at {}.", (_number, _number)),
        "W1": Words("only a participant's key may withdraw an update."),
        "W2": Words("there is no task of this name."),
        "W3": Words("the withdrawal is for round {}, but round {} is the current one (0: none is).", (_plain, _plain)),
        "W4": Words(
            "the round had closed and its inputs are frozen: the block's time was {}, the round's deadline {}.",
            (moment, moment),
        ),
        "W5": Words("the participant has no accepted update in this round."),
        "A1": Words("only the service key of a current validator may attest."),
        "A2": Words("there is no task of this name."),
        "A3": Words(
            "round {} awaits no attestations: it is not closed, its committee is not drawn, it is void or long past, "
            "or the task is halted; its last round is {}.",
            (_plain, _plain),
        ),
        "A4": Words("validator {} is not in the committee, and only the committee attests at first.", (_plain,)),
        "A5": Words("validator {} has attested this round already.", (_plain,)),
        "A6": Words("the recipe (rule, weights, bounds, layout) is not the task's."),
        "A7": Words("the inputs are not the round's."),
        "A8": Words("the base model is not the round's."),
        "A9": Words("a server state is named, but the task's server step keeps none."),
        "A10": Words("the output is not recorded on chain as a model."),
        "A11": Words("the output fits another layout than the task's."),
        "A12": Words("the output has another float32 view."),
        "A13": Words("the report is not recorded on chain as a report."),
        "A14": Words("the report is on another task, round or set of inputs."),
        "A15": Words(
            "the report must say used or cut for each of the {} accepted inputs and for nobody else; it names {}.",
            (_number, _number),
        ),
        "V1": Words("it was approved for era {}, and this is era {}: ask for approvals again.", (_plain, _plain)),
        "V2": Words("the learner's organisation is no member of the consortium."),
        "V3": Words("the organisation whose learner or keys these are has not approved."),
        "V4": Words("{} is no validator of the current set.", (_plain,)),
        "V5": Words("{} is no learner.", (_plain,)),
        "V6": Words("{} validators would remain; there must be at least {}.", (_plain, _plain)),
        "V7": Words("there would be {} validators; there may be {}.", (_plain, _plain)),
        "V8": Words("the organisation is a member already, so it brings no operator key."),
        "V9": Words("the organisation has {} learners and the chain {}; 1 and {} may be.", (_plain, _plain, _plain)),
        "V10": Words("a new key or certificate stands there twice, is on chain, or is or was another validator's."),
        "V11": Words("{} new keys need a proof of possession each; {} are given.", (_plain, _plain)),
        "V12": Words("proof of possession {} (from 0) is not signed by its key.", (_plain,)),
        "V13": Words("the keys and addresses are those that the validator has."),
        "E1": Words("only the service key of a current validator may report equivocation."),
        "E2": Words("the block has recorded {} offences, as many as it may; report it again.", (_number,)),
        "E3": Words("the chain has had no era {}, or keeps its validators no more.", (_plain,)),
        "E4": Words("validator {} was no member in era {}.", (_plain, _plain)),
        "E5": Words("an honest validator may have signed both: they do not contradict each other."),
        "E6": Words("the votes are for height {}; the last block that could record it was {}.", (_number, _number)),
        "E7": Words("the offence is recorded already, in block {}.", (_number,)),
        "E8": Words("{} offences of this validator in this era are recorded, as many as may be.", (_number,)),
        "E9": Words("a signature is not that of validator {}.", (_plain,)),
    }
)
"""By rule number."""


def explain(rule: str, values: tuple[int, ...]) -> str:
    """Return a refusal in words; a rule that this release does not know, with its bare integers."""
    words = WORDS.get(rule)
    if words is None or len(words.units) != len(values):
        listed = ", ".join(map(_plain, values)) or "none"
        return f"rule {rule}, which this release has no words for (integers: {listed})."
    return words.text.format(*(unit(value) for unit, value in zip(words.units, values, strict=True)))
