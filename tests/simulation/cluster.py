"""Who takes part in a run: validators, those that are admitted later, and those that are not honest."""

import random
from dataclasses import dataclass, field

from consensus.new_view import EraContext
from ledger.blocks import BlockHeader
from ledger.quantities import Era, ValidatorId
from tests.simulation import real
from tests.simulation.byzantine import Liar
from tests.simulation.chain import era_context, genesis_header, set_named, vote_key
from tests.simulation.checker import Checker
from tests.simulation.impostor import Impostor
from tests.simulation.network import Network
from tests.simulation.node import Node
from tests.simulation.verifier import Electorate
from tests.simulation.vote_rules import VoteRules


@dataclass(slots=True)
class Cluster(Network):
    """Processes of one chain, and what checks them."""

    window: int = 1
    is_real: bool = False
    """Whether a node's own application, store and vote log are below the engines."""
    context: EraContext = field(init=False)
    """Of the first era."""
    rules: VoteRules = field(init=False)
    genesis: BlockHeader = field(init=False)
    checker: Checker = field(init=False)

    def __post_init__(self) -> None:
        Network.__post_init__(self)
        if self.is_real:
            self.context, self.genesis = real.era_context(self.size, self.window)
        else:
            self.context = era_context(self.size, window=self.window)
            self.genesis = genesis_header(self.context.validators)
        self.rules = VoteRules(genesis=self.genesis, chain_id=self.context.chain_id)
        self._add_electorate(self.genesis)
        self.checker = Checker(rules=self.rules, chain_id=self.context.chain_id, genesis=self.genesis.digest)
        for number in range(self.size):
            self.nodes.append(self._new_node(ValidatorId(number)))

    def _new_node(self, who: ValidatorId) -> Node:
        if not self.is_real:
            return Node(id=who, key=vote_key(who), skew_ms=self.draw_skew())
        members = real.members(self.size, self.window)
        disk = real.RealDisk(genesis=members.genesis)
        return Node(id=who, key=real.key(self.size, self.window, who), skew_ms=self.draw_skew(), disk=disk)

    def bytes_of(self, item: bytes) -> bytes:
        """Return what callers bring for an item: itself, or a signed transaction."""
        if not self.is_real:
            return item
        return real.transaction(self.size, self.window, item)

    def _add_electorate(self, root: BlockHeader) -> None:
        """Let the checker know who votes in the era after a block."""
        keys = {member.id: member.vote_key for member in set_named(root.next_validators).members}
        self.rules.electorates[Era(root.era + (root.height > 0))] = Electorate(keys=keys, root=root)

    def add_learner(self) -> None:
        """Add a process that has no vote yet."""
        number = ValidatorId(max(node.id for node in self.nodes) + 1)
        self.nodes.append(self._new_node(number))

    def draw_skew(self) -> int:
        """Return how far a wall clock is off, in milliseconds."""
        return int(1000 * self.faults.skew * self.chance.uniform(-1, 1))

    def add_twin(self, who: ValidatorId, audience: frozenset[ValidatorId] | None) -> None:
        """Make a validator Byzantine: a second engine with the same key, each heard by a part of the others, or all."""
        node = self.nodes[who]
        node.honest = False
        if audience is not None:
            node.audience = frozenset(node.id for node in self.nodes) - audience - {who}
        twin = self._new_node(who)
        twin.skew_ms, twin.audience, twin.honest = node.skew_ms, audience, False
        self.nodes.append(twin)

    def add_liar(self, who: ValidatorId, rate: float, *, catch_up_only: bool = False) -> None:
        """Make a validator Byzantine: it says something else, to each peer, at this rate; or only to who is late."""
        node = self.nodes[who]
        node.honest = False
        chance = random.Random(f"liar {who} {self.seed}")
        node.liar = Liar(
            chance=chance,
            validator=who,
            key=node.key,
            chain_id=self.context.chain_id,
            rate=rate,
            catch_up_only=catch_up_only,
        )

    def add_impostor(
        self, who: ValidatorId, *, rate: float, habits: frozenset[str], favoured: frozenset[ValidatorId]
    ) -> None:
        """Make a validator Byzantine: it lies about what is final."""
        node = self.nodes[who]
        node.honest = False
        node.liar = Impostor(
            chance=random.Random(f"impostor {who} {self.seed}"),
            validator=who,
            key=node.key,
            chain_id=self.context.chain_id,
            rate=rate,
            habits=habits,
            favoured=favoured,
            quorum=self.context.validators.quorum,
            chain=lambda: node.disk.blocks,
        )

    @property
    def honest(self) -> list[Node]:
        """Processes that keep to the protocol."""
        return [node for node in self.nodes if node.honest]
