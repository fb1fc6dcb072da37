"""The network of a run: whether a message arrives, how late, and how often, drawn from the seed of the run."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from consensus.messages import Message, Votes
from ledger.hashing import Digest
from ledger.quantities import Height, ValidatorId, View
from ledger.votes import VoteKind
from tests.simulation.cuts import Cuts
from tests.simulation.events import Events
from tests.simulation.faults import NO_FAULTS, Faults, kinds, travelled
from tests.simulation.node import Node
from tests.simulation.view_cuts import ViewCuts


@dataclass(slots=True)
class Network(Events):
    """Processes, and what lies between them."""

    size: int = field(kw_only=True)
    """Validators of the first era."""
    faults: Faults = NO_FAULTS
    nodes: list[Node] = field(default_factory=list)
    groups: dict[ValidatorId, int] = field(default_factory=dict)
    """Side of the partition that a validator is on; empty: no partition."""
    cut_links: set[tuple[ValidatorId, ValidatorId]] = field(default_factory=set)
    """Directions, sender and receiver, in which nothing arrives."""
    clogged: dict[tuple[ValidatorId, ValidatorId], float] = field(default_factory=dict)
    """Seconds that everything needs in addition, by sender and receiver."""
    cuts: Cuts | ViewCuts | None = None
    """An adversary that decides whom which votes reach, until the network heals."""
    censored: set[tuple[str, ValidatorId]] = field(default_factory=set)
    """Kinds of messages and votes that do not arrive at some validators."""
    tap: Callable[[ValidatorId, ValidatorId, Message], bool] | None = None
    """Decides whether a message is delivered at all: directed scenarios."""
    sent: Counter[str] = field(default_factory=Counter)
    """Messages put on the wire, by kind."""
    happened: Counter[str] = field(default_factory=Counter)
    """Faults that did happen, so that tests can tell a harsh run from a lucky one."""
    _number: int = 0
    _proposed: dict[tuple[ValidatorId, View, Height], Digest] = field(default_factory=dict)

    def heal(self) -> None:
        """Let everything arrive again."""
        self.groups.clear()
        self.cut_links.clear()
        self.censored.clear()
        self.clogged.clear()
        self.cuts = None

    def wake(self, node: Node) -> None:
        """Give a process its next turn, soon."""
        raise NotImplementedError

    def _send(self, node: Node, message: Message, to: ValidatorId | None) -> None:
        message = travelled(message)
        for peer in self.nodes:
            meant = peer.id != node.id and (to is None or to == peer.id)
            if meant and _is_heard(node, peer.id) and _is_heard(peer, node.id):
                for said in [message] if node.liar is None else map(travelled, node.liar.say(message, peer.id)):
                    self._transmit(node, peer, said)

    def _transmit(self, node: Node, peer: Node, message: Message) -> None:
        self.sent[type(message).__name__] += 1
        if isinstance(message, Votes):
            self._note_proposals(node, message)
        chance, faults = self.chance, self.faults
        hindered = self.groups or self.cut_links or self.censored or self.cuts or self.tap
        if (hindered and not self._lets_through(node, peer, message)) or chance.random() < faults.loss:
            self.happened["lost"] += 1
            return
        copies = 2 if chance.random() < faults.duplicate else 1
        if copies > 1:
            self.happened["duplicated"] += 1
        self._number += 1
        later = self.clogged.get((node.id, peer.id), 0.0) if self.clogged else 0.0
        if node.proposal_delay and kinds(message) & {"Proposal", "PRE_PREPARE"}:
            later += node.proposal_delay
        for _ in range(copies):
            delay = later + chance.expovariate(1 / faults.delay)
            self.at(self.now + delay, self._deliver, node.id, peer, message, self._number)

    def _lets_through(self, node: Node, peer: Node, message: Message) -> bool:
        """Return whether nothing stands between two processes for a message."""
        through = self.tap is None or self.tap(node.id, peer.id, message)
        if self.groups and self.groups[node.id] != self.groups[peer.id]:
            return False
        if self.cut_links and (node.id, peer.id) in self.cut_links:
            return False
        if self.censored and any((kind, peer.id) in self.censored for kind in kinds(message)):
            return False
        return through and (self.cuts is None or self.cuts.lets_through(peer.id, message, size=self.size))

    def _note_proposals(self, node: Node, message: Votes) -> None:
        for vote in message.bundle.votes:
            if vote.kind is VoteKind.PRE_PREPARE:
                place = (node.id, vote.view, vote.height)
                self.happened["two proposals"] += self._proposed.setdefault(place, vote.digest) != vote.digest

    def _deliver(self, sender: ValidatorId, peer: Node, message: Message, number: int) -> None:
        if number < peer.heard.get(sender, 0):
            self.happened["overtaken"] += 1
        else:
            peer.heard[sender] = number
        if peer.engine is not None:
            peer.inbox.append((sender, message))
            self.wake(peer)


def _is_heard(node: Node, by: ValidatorId) -> bool:
    return node.audience is None or by in node.audience
