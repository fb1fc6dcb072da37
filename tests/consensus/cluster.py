"""Real engines on a network that does only what it is told; time stands still unless it is moved."""

from collections.abc import Callable, Collection, Iterable

from consensus.errors import ProtocolViolation
from consensus.messages import Message
from ledger.blocks import Block
from ledger.quantities import ValidatorId
from tests.consensus.bench import TIMING, Bench
from tests.consensus.forge import Forge

Flight = tuple[ValidatorId, ValidatorId, Message]


class Cluster:
    """All validators of an era, each on a bench, and what is in flight between them."""

    def __init__(self, size: int = 4, window: int = 1) -> None:
        self.forge = Forge(size, window)
        self.benches = {who: Bench(self.forge, who) for who in self.forge.ids}
        self.down: set[ValidatorId] = set()
        self.cut: set[ValidatorId] = set()
        self.flying: list[Flight] = []

    @property
    def up(self) -> list[Bench]:
        """Validators whose process runs."""
        return [bench for who, bench in self.benches.items() if who not in self.down]

    def step(self, who: ValidatorId, action: Callable[[Bench], object]) -> ProtocolViolation | None:
        """Let one engine do something and send what it says on its way; return what it refused."""
        bench = self.benches[who]
        sent = len(bench.sent)
        refused = None
        try:
            action(bench)
        except ProtocolViolation as error:
            refused = error
        for send in bench.sent[sent:]:
            receivers = [one for one in self.benches if one != who and send.to in {None, one}]
            self.flying += [(who, receiver, send.message) for receiver in receivers]
        return refused

    def submit(self, *items: bytes, to: Iterable[ValidatorId] | None = None) -> None:
        """Admit items at some validators, or at all that run."""
        for who in [bench.id for bench in self.up] if to is None else to:
            for item in items:
                self.step(who, lambda bench, item=item: bench.submit(item))  # type: ignore[misc]

    def take(self, wanted: Callable[[Flight], bool]) -> list[Flight]:
        """Take messages out of the air."""
        taken = [flight for flight in self.flying if wanted(flight)]
        self.flying = [flight for flight in self.flying if not wanted(flight)]
        return taken

    def deliver(self, wanted: Callable[[Flight], bool] = lambda _: True) -> None:
        """Deliver once what is in flight and wanted; what follows from it is in flight then."""
        for sender, receiver, message in self.take(wanted):
            if receiver not in self.down and not {sender, receiver} & self.cut:
                refused = self.step(receiver, lambda bench: bench.receive(sender, message))  # noqa: B023 - used at once
                if refused is not None:
                    self.on_refusal(receiver, refused)

    def on_refusal(self, who: ValidatorId, refused: ProtocolViolation) -> None:
        """Nobody says anything wrong here, unless a test makes up messages."""
        raise AssertionError(f"{who} accuses an honest validator: {refused}")

    def settle(self) -> None:
        """Deliver until nothing is in flight."""
        while self.flying:
            self.deliver()

    def tick(self, seconds: float, who: Collection[ValidatorId] | None = None) -> None:
        """Let time pass for all, and wake some, or all that run."""
        for bench in self.benches.values():
            bench.now += seconds
        for bench in self.up:
            if who is None or bench.id in who:
                self.step(bench.id, lambda bench: bench.tick())

    def restart(self, who: ValidatorId) -> None:
        """Start a process again from what is durable."""
        self.down.discard(who)
        self.benches[who].restart()

    def join(self, who: ValidatorId) -> None:
        """Start a process that has no vote, and no block but genesis."""
        self.benches[who] = Bench(self.forge, who)

    def finish(self, *, ticks: int = 60) -> bool:
        """Let everything run with a good network until all that run are idle at one height; False if they do not."""
        for _ in range(ticks):
            self.settle()
            heights = {bench.height for bench in self.up}
            if len(heights) == 1 and not any(bench.application.waiting for bench in self.up):
                return True
            self.tick(TIMING.resend)
        return False

    def chain(self) -> list[Block]:
        """Return the longest chain; every other one must be a beginning of it."""
        chains = [[certified.block for certified in bench.chain] for bench in self.benches.values()]
        longest = max(chains, key=len)
        for chain in chains:
            assert chain == longest[: len(chain)], "agreement"
        return longest
