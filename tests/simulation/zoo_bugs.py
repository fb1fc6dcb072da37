"""All bugs of the zoo: each a small named mutation of the engine.

Rows B1 to B27 are those of the list of bugs that hit others (docs/reliability.md).
"""

from tests.simulation.planting import Bug
from tests.simulation.zoo_views import CATCHING_UP, VIEWS
from tests.simulation.zoo_votes import DURABILITY, QUORUMS, VOTES

BUGS: tuple[Bug, ...] = (*QUORUMS, *VOTES, *DURABILITY, *VIEWS, *CATCHING_UP)
