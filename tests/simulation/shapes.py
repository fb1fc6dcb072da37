"""The shape of a run: everything that is decided before it begins, drawn from its seed, and small enough to be shrunk.

What is drawn is the `families`' business.
"""

from dataclasses import dataclass

from ledger.quantities import ValidatorId
from tests.simulation.cuts import Cuts
from tests.simulation.faults import Faults
from tests.simulation.view_cuts import ViewCuts

FAULTY_SECONDS = 8.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
    """An item and when callers bring it: the same bytes again and again, to everybody (a retry storm)."""

    item: bytes
    at: float
    again: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """Something that goes wrong for a while."""

    kind: str
    at: float
    seconds: float
    who: ValidatorId | None = None
    """Whom it befalls; None: the run's chance decides, if it befalls one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Villain:
    """A validator that is not honest, or not well."""

    kind: str
    """twin (two processes, each heard by a part), double (both heard by all), liar, peer (lies to who is catching up),
    slow (a primary just under the timeout), deaf, mute, impostor (lies about what is final); forger, two-faced, crier
    (they lie about views)."""
    who: ValidatorId
    audience: frozenset[ValidatorId] = frozenset()
    rate: float = 0.0
    at: float = 0.0
    habits: frozenset[str] = frozenset()
    """What an impostor does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """All of it."""

    seed: int
    family: str
    size: int
    window: int = 1
    seconds: float = FAULTY_SECONDS
    """Length of the phase with faults."""
    faults: Faults
    errands: tuple[Errand, ...]
    troubles: tuple[Trouble, ...] = ()
    villains: tuple[Villain, ...] = ()
    cuts: Cuts | ViewCuts | None = None
    is_real: bool = False
    """Whether a node's own application, store and vote log are below the engines: one seed in five."""
    few: bool = False
    """Whether, once all is decided, one more item is given to no more honest validators than can end a view."""
    calm: bool = False
    """Whether nothing happens for which an honest validator may leave the first view."""
    learners: int = 0
    """Processes beside the validators of the first era, which items may admit."""
