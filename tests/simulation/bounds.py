"""What a process holds is bounded, whatever others send it: nothing grows with the length of a run or with lies."""

from consensus.bodies import ASKED_MAX, VOTED_WINDOWS_MAX
from consensus.changing import VIEWS_KEPT_MAX
from consensus.engine import Engine
from consensus.eras import LATER_BYTES_MAX, LATER_EXTRA
from consensus.learner import Learner
from consensus.messages import Proposal
from consensus.replica import Replica
from consensus.tally import VIEWS_AHEAD, VIEWS_BEHIND, WINDOWS_AHEAD
from consensus.witness import OFFENCES_MAX
from tests.simulation.violation import Violation
from tests.simulation.world import World

BUNDLES_A_SLOT_MAX = 3
"""Pre-prepare or prepare, and commit, may leave in bundles of their own; one more for what is between heads."""


def check_bounds(world: World) -> None:
    """Raise Violation if an honest process holds more than it may."""
    for node in world.honest:
        if node.engine is not None:
            for name, (held, most) in sizes(node.engine).items():
                if held > most:
                    raise Violation(f"bounds: {node.id} holds {held} {name}, more than {most}")


def sizes(machine: Engine | Learner) -> dict[str, tuple[int, int]]:
    """Return how much an engine or a learner holds of each kind, and how much it may."""
    follower = machine._follower if isinstance(machine, Learner) else machine._replica
    members, window = follower.context.validators.size, follower.context.window
    waiting = [one for kept in follower.later.values() for one in kept]
    held = {
        "messages for the next era": (len(waiting), members * (4 * window + LATER_EXTRA)),
        "heartbeats of the next era": (len(follower.later_status), members),
        "bytes for the next era": (sum(size for size, _ in waiting), members * LATER_BYTES_MAX),
        "bodies for the next era": (sum(isinstance(one, Proposal) for _, one in waiting), members * 2 * window),
    }
    return held | (_sizes_of_votes(follower) if isinstance(follower, Replica) else {})


def _sizes_of_votes(replica: Replica) -> dict[str, tuple[int, int]]:
    members, window = replica.context.validators.size, replica.context.window
    slots = WINDOWS_AHEAD * window * (VIEWS_BEHIND + VIEWS_AHEAD + 1)
    changes = sum(len(here) for here in replica.view_changes.values())
    return {
        "slots": (len(replica.tally._slots), slots),
        "offences": (len(replica.witness._offences), OFFENCES_MAX * members),
        "view changes": (changes, VIEWS_KEPT_MAX * members),
        "NEW-VIEWs": (len(replica.pending), members),
        "accepted blocks": (len(replica.accepted), window),
        "own bundles": (len(replica.bundles), BUNDLES_A_SLOT_MAX * window + 1),
        "bodies voted for": (len(replica.bodies._voted), VOTED_WINDOWS_MAX * window),
        "bodies asked for": (len(replica.bodies._asked), ASKED_MAX),
        "early bodies": (sum(map(len, replica.bodies._early.values())), 2 * window * members),
        "deadlines": (len(replica.timers.deadlines), 65),
    }
