"""The duty to report: whoever is known to have signed a contradiction is put on chain, once.

Every validator holds the same evidence sooner or later, so they take turns by rank: the first one reports, and the
others find the offence recorded before their turn comes. What is refused is tried again a few times, since a block
takes only so much evidence.
"""

from collections.abc import Callable
from dataclasses import dataclass

import structlog

from contracts import queries
from ledger.errors import QuorateError
from ledger.evidence import Offence, ProvenOffence
from ledger.state import StateView
from ledger.transactions import ReportEquivocation
from node.runtime.ports import Outbox

log = structlog.get_logger()

PENDING_MAX = 256
"""Offences that wait; consensus tells of four a validator and era."""
RANK_TICKS = 3
"""Ticks (about a second each) that each rank leaves to the ranks before it."""
AGAIN_TICKS = 60
"""Ticks after which an offence that is not recorded yet is reported again."""
ATTEMPTS_MAX = 5
"""Reports of one offence by this validator."""


@dataclass(slots=True)
class _Waiting:
    proven: ProvenOffence
    due_in: int
    attempts: int = 0


class Reporting:
    """Reports offences until the chain has them."""

    def __init__(self, *, outbox: Outbox, state: Callable[[], StateView]) -> None:
        self._outbox = outbox
        self._state = state
        self._waiting: dict[Offence, _Waiting] = {}

    def on_evidence(self, proven: ProvenOffence) -> None:
        """Take an offence that consensus has verified."""
        offence = proven.offence
        log.error("validator-equivocates", validator=offence.offender, kind=offence.kind.name, era=offence.era)
        if len(self._waiting) < PENDING_MAX:
            self._waiting.setdefault(offence, _Waiting(proven, due_in=RANK_TICKS * self._rank()))

    def tick(self) -> None:
        """Report what is due and not on chain; called about once a second."""
        for offence, waiting in list(self._waiting.items()):
            if waiting.attempts >= ATTEMPTS_MAX or self._is_settled(offence):
                del self._waiting[offence]
            elif waiting.due_in > 0:
                waiting.due_in -= 1
            elif self._rank() < len(self._outbox.validators.ids):
                waiting.due_in = AGAIN_TICKS
                waiting.attempts += 1
                self._report(waiting.proven)

    def _is_settled(self, offence: Offence) -> bool:
        state = self._state()
        enough = queries.parameters(state).offender_evidence_max
        recorded = queries.offences_count(state, offence.era, offence.offender)
        return recorded >= enough or queries.offence(state, offence) is not None

    def _report(self, proven: ProvenOffence) -> None:
        try:
            self._outbox.submit(ReportEquivocation(evidence=proven.evidence))
        except QuorateError as error:
            log.warning("offence-not-reported", validator=proven.offence.offender, code=error.code, error=str(error))

    def _rank(self) -> int:
        """Return this validator's place in the set; behind all of them without a seat there."""
        ids = self._outbox.validators.ids
        me = self._outbox.member.validator
        return ids.index(me) if me is not None and me in ids else len(ids)
