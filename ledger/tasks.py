"""What a consortium agrees on before it trains: layout, rule, bounds, who is invited, when rounds close."""

from enum import IntEnum
from typing import Annotated, TypeAlias

from msgspec import Meta

from ledger.encoding import Noun, encode
from ledger.hashing import Digest, DigestField, sha256
from ledger.quantities import U16, U63, Name, ParticipantField

EXPONENT_MIN = 2
"""Coarsest grid, 2^-2: the shift from coefficient products to the model's 2^-32 must not be negative."""
EXPONENT_MAX = 30
"""Finest grid, 2^-30."""
TENSORS_MAX = 16_384
DIMENSIONS_MAX = 8

TensorName = Annotated[str, Meta(pattern=r"\A(?!__)[A-Za-z0-9._-]{1,128}\Z")]


class Role(IntEnum):
    """How a tensor takes part in aggregation."""

    WEIGHT = 1
    """In the norm, the Gram matrix and the rule."""
    STATISTIC = 2
    """A float buffer (batch norm's running mean): coordinate-wise median of the accepted, outside norm and rule."""
    LOCAL = 3
    """Never leaves the site."""
    FROZEN = 4
    """Carried unchanged from the initial model; no update contains it."""


class TensorSpec(Noun, frozen=True, kw_only=True):
    """One tensor of a layout."""

    name: TensorName
    shape: Annotated[tuple[Annotated[int, Meta(ge=1, le=2**31)], ...], Meta(max_length=DIMENSIONS_MAX)]
    exponent: Annotated[int, Meta(ge=EXPONENT_MIN, le=EXPONENT_MAX)]
    """s: an update's integer q stands for q * 2^-s."""
    role: Role

    @property
    def elements(self) -> int:
        """Return the number of coordinates."""
        count = 1
        for side in self.shape:
            count *= side
        return count


class Layout(Noun, frozen=True, kw_only=True, tag="quorate-layout-1"):
    """All tensors of a model, sorted by the UTF-8 bytes of their names, each name once.

    Stored as a blob and named by digest, since a transaction cannot hold a thousand tensors. `aggregation.layouts`
    checks what the type alone cannot.
    """

    tensors: Annotated[tuple[TensorSpec, ...], Meta(min_length=1, max_length=TENSORS_MAX)]

    @property
    def digest(self) -> Digest:
        """What tasks and facts name this layout by."""
        return sha256(encode(self))


class Mean(Noun, frozen=True, kw_only=True, tag=1):
    """Weighted mean (FedAvg, McMahan et al. 2017): no robustness; one participant can move it anywhere in the norm."""


class TrimmedMean(Noun, frozen=True, kw_only=True, tag=2):
    """Coordinate-wise trimmed mean (Yin et al. 2018): drop the b lowest and b highest, average the rest."""


Rule: TypeAlias = Mean | TrimmedMean


class EqualWeights(Noun, frozen=True, kw_only=True, tag=1):
    """Every accepted update counts the same."""


class CappedExamples(Noun, frozen=True, kw_only=True, tag=2):
    """An update counts by its examples: min(reported, registered, T), T chosen so that none passes 1/(2b+1) of all."""


WeightPolicy: TypeAlias = EqualWeights | CappedExamples


class FedAvg(Noun, frozen=True, kw_only=True, tag=1):
    """Server step that adds the combination to the base model; keeps no state."""


ServerStep: TypeAlias = FedAvg

PRIVACY_PLAIN = 0
"""Every validator operator can read each update."""
MODES_OF_PRIVACY = ("plain", "masked groups", "masked whole")
"""Names by number; contracts refuse all but the first until the others are built."""


class Invitation(Noun, frozen=True, kw_only=True):
    """A participant that may send one update per round."""

    participant: ParticipantField
    examples_max: U63
    """Registered number of examples: what it reports counts at most this much."""


class TaskSpec(Noun, frozen=True, kw_only=True):
    """A learning task as registered; never changes afterwards."""

    name: Name
    layout: DigestField
    initial_model: DigestField
    """Canonical int64 file at 2^-32."""
    source: DigestField
    """Digest of the file that the initial model was imported from; information only, zero if none."""
    rule: Rule
    server: ServerStep
    weights: WeightPolicy
    privacy: U16
    """One of MODES_OF_PRIVACY."""
    faulty_max: U16
    """b: how many hostile participants the task is to tolerate; no default."""
    norm_max: U63
    """C: bound on an update's l2 norm over the weights, in units of 2^-30."""
    invited: tuple[Invitation, ...]
    """In ascending order of participant number."""
    updates_min: U16
    """Fewest accepted updates for a round to count."""
    deadline_ms: U63
    """How long a round stays open."""
    attempt_ms: U63
    """How long the committee has; then all validators may attest for as long again; then the round is void."""
    committee_size: U16
    """Members drawn per round; at least 2f+1."""
    rounds_max: U63
    retain_rounds: U63
    """Rounds for which validators keep updates after the decision."""

    @property
    def digest(self) -> Digest:
        """What records name this registration by."""
        return sha256(encode(self))


def rule_digest(task: TaskSpec) -> Digest:
    """Return the digest that attestations name the whole recipe by: rule, server step, weights, b, C, layout."""
    recipe = (task.rule, task.server, task.weights, task.privacy, task.faulty_max, task.norm_max, task.layout)
    return sha256(encode(recipe))
