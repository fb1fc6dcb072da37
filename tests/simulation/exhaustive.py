"""Every interleaving of a bounded set of messages and drops: four validators, one height, two views (B25).

What was sent may be delivered at any later time, to each receiver by itself, or never: so a state is what the honest
replicas hold, and every way to lose messages is among the paths. Each may time out once, in view 0. The engines are the
real ones. The Byzantine validator says all that it could say of two blocks, in both views, at any time and to anybody.

A replica's next state follows from its own state and its input alone, so engines run only once for each such pair, and
the search itself is over numbers. States that differ only in clocks, or in the order in which equal things arrived, are
one. Left out: bodies travel with the votes and NEW-VIEWs that name them, nothing is asked for, nothing crashes.

`make exhaustive` goes through all cases and prints how many states there are; the tests, through the small ones.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from time import perf_counter
from typing import TypeAlias

from consensus.messages import Message, NewView, Proposal, ViewChange, Votes
from ledger.blocks import Block
from ledger.encoding import encode
from ledger.hashing import Digest, sha256
from ledger.quantities import ValidatorId
from ledger.votes import VoteKind
from tests.consensus.bench import Bench
from tests.consensus.cluster import Cluster
from tests.consensus.forge import Forge
from tests.simulation.fingerprint import fingerprint
from tests.simulation.violation import Violation

ITEM = b"item"
State: TypeAlias = tuple[int, int, int]
"""Numbers of the states of the three honest replicas, in the order of their ids."""
TIMEOUT = -1
"""Input: the view timer runs out, and another replica has complained: complaints promise nothing, and are no states."""
TIMEOUT_SECONDS = 20.0
STATES_MAX = 3_000_000
"""A search that has seen so many gives up: some 600 MB."""
HEAL_EVERY = 2_000
"""Each so-manieth state, and each in which nothing is left to be delivered, is healed: it must decide."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What one search is about: who is Byzantine, and what bounds the messages."""

    byzantine: int
    views: tuple[int, ...] = ()
    """Views in which it speaks for two blocks, in all phases."""
    gives_up: bool = False
    """Whether it sends a VIEW-CHANGE, which hides what was prepared."""
    timeouts: int = 0
    """How many replicas may time out by themselves; f + 1 view changes make the others join them."""


CASES = {
    "silent primary, two views": Case(byzantine=1, timeouts=3),
    "silent backup, one gives up": Case(byzantine=3, timeouts=1),
    "lying backup, one view": Case(byzantine=3, views=(0,)),
    "lying backup, one gives up": Case(byzantine=3, views=(0,), timeouts=1),
    "lying primary, one view": Case(byzantine=1, views=(0,)),
}
"""All end within minutes; those that the tests go through, within seconds."""


@dataclass(slots=True)
class Local:
    """One state of one replica, and how it is reached."""

    history: tuple[int, ...]
    """Inputs, from the beginning: numbers of messages, or TIMEOUT."""
    said: int
    """Messages that it has sent up to here, as bits."""
    view: int
    decided: Digest | None
    after: dict[int, int] = field(default_factory=dict)
    """State after each input that was tried."""


@dataclass(slots=True)
class Search:
    """The states of one case."""

    case: Case
    forge: Forge = field(default_factory=Forge)
    messages: list[tuple[ValidatorId, Message]] = field(default_factory=list)
    """Everything that anybody has sent in any state, with its sender."""
    numbers: dict[bytes, int] = field(default_factory=dict)
    bodies: dict[Digest, Block] = field(default_factory=dict)
    locals: dict[ValidatorId, list[Local]] = field(default_factory=dict)
    known: dict[tuple[ValidatorId, bytes], int] = field(default_factory=dict)
    lies: int = 0
    """Messages of the Byzantine validator, as bits: they may arrive at any time."""
    states: int = 0
    healed: int = 0

    def __post_init__(self) -> None:
        for sender, message in lies(self.forge, self.case):
            self.lies |= 1 << self._number(sender, message)
        for who in self.honest:
            self.locals[who] = []
            self._local(who, ())

    @property
    def honest(self) -> tuple[ValidatorId, ...]:
        """Validators with an engine."""
        return tuple(who for who in self.forge.ids if who != self.case.byzantine)

    def run(self, *, states_max: int = STATES_MAX) -> bool:
        """Go through all states; False if there are more than `states_max`. Raises Violation."""
        first: State = (0, 0, 0)
        seen, open_states = {first}, [first]
        while open_states:
            state = open_states.pop()
            self.states += 1
            self._check(state)
            following = list(self._following(state))
            if not following or self.states % HEAL_EVERY == 0:
                self._heal(state)
            for after in following:
                if after not in seen:
                    seen.add(after)
                    open_states.append(after)
            if len(seen) > states_max:
                return False
        return True

    def _following(self, state: State) -> Iterator[State]:
        here = [self.locals[who][number] for who, number in zip(self.honest, state, strict=True)]
        sent = self.lies
        for local in here:
            sent |= local.said
        timeouts = sum(TIMEOUT in local.history for local in here)
        for place, who in enumerate(self.honest):
            inputs = list(_bits(sent & ~here[place].said))
            if here[place].view == 0 and here[place].decided is None and timeouts < self.case.timeouts:
                inputs.append(TIMEOUT)
            for given in inputs:
                after = self._step(who, state[place], given)
                if after != state[place]:
                    numbers = [*state[:place], after, *state[place + 1 :]]
                    yield numbers[0], numbers[1], numbers[2]

    def _step(self, who: ValidatorId, number: int, given: int) -> int:
        local = self.locals[who][number]
        after = local.after.get(given)
        if after is None:
            after = local.after[given] = self._local(who, (*local.history, given), came_from=number)
        return after

    def _local(self, who: ValidatorId, history: tuple[int, ...], came_from: int | None = None) -> int:
        """Return the number of the state that inputs lead to; new ones are noted with what they have sent."""
        bench = self._replayed(who, history)
        said = 0 if came_from is None else self.locals[who][came_from].said
        for send in bench.sent:
            match send.message:
                case Proposal(block=block):
                    self.bodies[block.digest] = block
                case Votes() | ViewChange() | NewView():
                    said |= 1 << self._number(who, send.message)
                case _:
                    pass
        decided = bench.chain[0].block.digest if bench.chain else None
        mark = sha256(fingerprint(bench.engine) + encode((said.to_bytes(64, "big"), TIMEOUT in history)))
        number = self.known.setdefault((who, mark), len(self.locals[who]))
        if number == len(self.locals[who]):
            self.locals[who].append(Local(history=history, said=said, view=bench.engine.view, decided=decided))
        return number

    def _replayed(self, who: ValidatorId, history: tuple[int, ...]) -> Bench:
        bench = Bench(self.forge, who)
        bench.submit(ITEM)
        for given in history:
            if given == TIMEOUT:
                bench.agreeing = next(peer for peer in self.honest if peer != who)
                bench.tick(TIMEOUT_SECONDS)
                bench.agreeing = None
                continue
            sender, message = self.messages[given]
            for body in self._named(message):
                bench.receive(sender, Proposal(block=body))
            bench.receive(sender, message)
        return bench

    def _named(self, message: Message) -> list[Block]:
        """Return the bodies that go with a message."""
        match message:
            case Votes():
                digests = [vote.digest for vote in message.bundle.votes if vote.kind is VoteKind.PRE_PREPARE]
            case NewView():
                digests = [choice.digest for choice in message.payload.choices]
            case _:
                digests = []
        return [self.bodies[digest] for digest in digests if digest in self.bodies]

    def _number(self, sender: ValidatorId, message: Message) -> int:
        data = encode(message)
        if data not in self.numbers:
            self.numbers[data] = len(self.messages)
            self.messages.append((sender, message))
            if isinstance(message, Proposal):
                self.bodies[message.block.digest] = message.block
        return self.numbers[data]

    def _check(self, state: State) -> None:
        decided = {self.locals[who][number].decided for who, number in zip(self.honest, state, strict=True)} - {None}
        if len(decided) > 1:
            raise Violation("agreement: two blocks are decided at one height\n" + self.tell(state))

    def _heal(self, state: State) -> None:
        """Let everything arrive from here on; the Byzantine validator is silent."""
        self.healed += 1
        cluster = Cluster()
        cluster.down = {ValidatorId(self.case.byzantine)}
        for who, number in zip(self.honest, state, strict=True):
            cluster.benches[who] = self._replayed(who, self.locals[who][number].history)
        for bench in cluster.up:
            bench.now = TIMEOUT_SECONDS
        cluster.tick(0.0)
        if not cluster.finish():
            raise Violation("liveness: a state from which nothing is decided\n" + self.tell(state))

    def tell(self, state: State) -> str:
        """Return how a state is reached, replica by replica."""
        lines = []
        for who, number in zip(self.honest, state, strict=True):
            local = self.locals[who][number]
            told = ["times out" if given == TIMEOUT else _told(*self.messages[given]) for given in local.history]
            decided = "nothing" if local.decided is None else local.decided.hex()[:8]
            lines.append(f"  {who} decides {decided} after: {'; '.join(told)}")
        return "\n".join(lines)


def lies(forge: Forge, case: Case) -> list[tuple[ValidatorId, Message]]:
    """Return all that the Byzantine validator may say: both blocks in every phase, and a VIEW-CHANGE that hides all."""
    who = ValidatorId(case.byzantine)
    said: list[Message] = []
    for block in (forge.block(forge.genesis, ITEM), forge.block(forge.genesis, ITEM, b"another")):
        for view in case.views:
            kinds = [VoteKind.PRE_PREPARE] if forge.primary(view) == who else [VoteKind.PREPARE]
            said += [forge.votes(who, forge.vote(kind, block.header, view)) for kind in (*kinds, VoteKind.COMMIT)]
        said += [Proposal(block=block)] * bool(case.views and forge.primary(0) == who)
    if case.gives_up:
        said.append(forge.view_change(who, 1))
    return [(who, message) for message in said]


def _bits(mask: int) -> Iterator[int]:
    while mask:
        lowest = mask & -mask
        yield lowest.bit_length() - 1
        mask ^= lowest


def _told(sender: ValidatorId, message: Message) -> str:
    match message:
        case Votes():
            votes = (f"{vote.kind.name} {vote.digest.hex()[:8]} v{vote.view}" for vote in message.bundle.votes)
            return f"{sender}: {', '.join(votes)}"
        case ViewChange():
            return f"{sender}: VIEW-CHANGE v{message.payload.view} with {len(message.payload.prepared)} prepared"
        case NewView():
            return f"{sender}: NEW-VIEW v{message.payload.view} with {len(message.payload.choices)} chosen"
        case _:
            return f"{sender}: {type(message).__name__}"


def main() -> int:
    """Go through all cases, or those named on the command line; exit code 1 if a promise is broken."""
    for name in sys.argv[1:] or CASES:
        began = perf_counter()
        search = Search(CASES[name])
        try:
            ended = search.run()
        except Violation as error:
            print(f"{name}: {error}")  # noqa: T201
            return 1
        runs = sum(len(local.after) for locals_ in search.locals.values() for local in locals_)
        print(  # noqa: T201
            f"{name}: {search.states} states{'' if ended else ' and more'}, {len(search.messages)} messages, "
            f"{search.healed} healed, {runs} steps of engines, {perf_counter() - began:.0f} s"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
