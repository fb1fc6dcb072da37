"""The list of nodes: which one is asked, which one next, and when to give up.

The node that answered last is asked first. One that is down, slow, unwell, behind or lying is passed over; when all
have been, they are asked again after a pause, until the deadline. All calls may be repeated: the same bytes get the
same receipt. A refusal is the word of one node, so it is believed once a weak quorum of nodes gives it.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import TypeVar

import httpx

from ledger.errors import ConfigurationError
from participant.deadline import Deadline
from participant.errors import NodeFault, NodeRefused, NoNodeAnswered
from participant.node import Node

NODES_MAX = 100

T = TypeVar("T")


class Nodes:
    """The nodes that a caller may ask; close them after use."""

    def __init__(self, urls: Sequence[str], *, weak_quorum: int) -> None:
        """Raise ConfigurationError unless there are 1 to 100 base URLs, each once."""
        if isinstance(urls, str) or not 1 <= len(urls) <= NODES_MAX:
            got = "text" if isinstance(urls, str) else f"{len(urls)} URLs"
            raise ConfigurationError("nodes", expected=f"a list of 1 to {NODES_MAX} URLs", got=got)
        self._http = httpx.Client(follow_redirects=False)
        self._nodes = [Node(url, self._http) for url in urls]
        known = [node.url for node in self._nodes]
        if len(set(known)) != len(known):
            raise ConfigurationError("nodes", expected="each URL once", got=known)
        self._refusals_needed = min(weak_quorum, len(known))
        self._first = 0

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    @property
    def first(self) -> str:
        """URL of the node that is asked first: the one that answered last."""
        return self._nodes[self._first].url

    def ask_first(self, url: str) -> None:
        """Ask this node first from now on, until it fails; raises ConfigurationError for one not in the list."""
        known = [node.url for node in self._nodes]
        if url.rstrip("/") not in known:
            raise ConfigurationError("node", expected=f"one of {known}", got=url)
        self._first = known.index(url.rstrip("/"))

    def ask(self, what: str, attempt: Callable[[Node], T], *, deadline: Deadline) -> T:
        """Return the first good answer.

        `attempt` asks one node, verifies, and raises NodeFault. Raises NodeRefused when enough nodes refuse for the
        same reason in one pass, NoNodeAnswered when the deadline has passed; every node is asked at least once.
        """
        faults: dict[str, NodeFault] = {}
        while True:
            refusals: Counter[str] = Counter()
            for place in self._order():
                node = self._nodes[place]
                if node.url in faults and deadline.has_passed:
                    raise NoNodeAnswered(what, faults)
                try:
                    answer = attempt(node)
                except NodeRefused as refusal:
                    faults[node.url] = refusal
                    refusals[refusal.problem] += 1
                    if refusals[refusal.problem] >= self._refusals_needed:
                        raise
                except NodeFault as fault:
                    faults[node.url] = fault
                else:
                    self._first = place
                    return answer
            deadline.pause()

    def _order(self) -> list[int]:
        return [(self._first + step) % len(self._nodes) for step in range(len(self._nodes))]
