"""Names what a replica holds as far as it decides what it does next: two replicas of one name go on alike.

Clocks are left out, and what has had its effect: prepares of a view that was left, or of a height that is prepared.
"""

import dataclasses
from collections import deque
from typing import Any

import msgspec

from consensus.bodies import Bodies
from consensus.engine import Engine
from consensus.pace import Pace
from consensus.replica import CatchUp, Replica, Timers
from consensus.signer import Signer
from consensus.tally import Tally
from ledger.encoding import encode

SKIPPED = {"context", "timing", "_context", "head_at", "bundles", "tally", "witness"}
"""The same in all states, or clocks, for resending or for accusing only; the tally is told by itself."""
CLOCKS = (Timers, Pace, CatchUp)


def fingerprint(engine: Engine) -> bytes:
    """Return the bytes of everything in an engine that decides what it does next, in one order."""
    replica = engine._replica
    return msgspec.msgpack.encode([_plain(replica), _votes(replica, replica.tally)])


def _votes(replica: Replica, tally: Tally) -> Any:
    told = []
    for (view, height), slot in sorted(tally._slots.items()):
        held = replica.safety.prepared(height)
        open_still = view >= replica.view and (held is None or held.view < view)
        told.append((view, height, _plain(slot if open_still else slot.commits)))
    return told


def _plain(value: Any) -> Any:  # noqa: PLR0911 - one case a kind of value
    match value:
        case msgspec.Struct():
            return encode(value)
        case dict():
            return sorted((repr(_plain(key)), _plain(item)) for key, item in value.items())
        case set() | frozenset():
            return sorted(map(repr, map(_plain, value)))
        case list() | tuple() | deque():
            return [_plain(item) for item in value]
        case Signer():
            return _plain([value._admitted, value._taken])
        case Bodies():
            early = (block.digest for blocks in value._early.values() for block in blocks)
            return sorted({*value._voted, *value._asked, *early})
        case _ if isinstance(value, CLOCKS):
            return None
        case _ if dataclasses.is_dataclass(value):
            names = (one.name for one in dataclasses.fields(value))
            return [_plain(getattr(value, name)) for name in names if name not in SKIPPED]
        case _ if type(value).__module__.startswith(("consensus", "tests")):
            return [_plain(item) for name, item in sorted(vars(value).items()) if name not in SKIPPED]
        case _:
            return value
