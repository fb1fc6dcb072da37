"""Readable scenarios: a command, then everything observable (`tests/scenarios/*.txt`).

The engines are real, the network does only what it is told, and time stands still unless a command moves it.

    cluster N [W]           N validators with a window of W (1), all started
    submit WHO ITEM         admit an item at some validators
    settle                  deliver everything in flight, and what follows from it, until nothing is in flight
    deliver [KIND] [from WHO] [to WHO]      deliver once what is in flight and matches; the rest waits
    drop [KIND] [from WHO] [to WHO]         lose it
    tick SECONDS [WHO]      let time pass for all, and wake some
    crash WHO, restart WHO  lose all but the disk; start again
    join WHO                start a process that has no vote yet, at genesis
    cut WHO, heal           lose everything from and to some validators; stop doing so
    block NAME by WHO on PARENT [ITEM...]   name a block that a scenario forges; `genesis` is a parent
    say WHO to WHO KIND NAME [VIEW]         speak for a validator whose process is down: propose, prepare, commit

Answers to heartbeats are delivered by `settle` and not written down.

WHO is `all` or a list such as `0,2,3`. Lines that differ only in the sender are written as one.
"""

from collections.abc import Callable
from pathlib import Path

from consensus.errors import ProtocolViolation
from consensus.messages import (
    Message,
    Proposal,
)
from ledger.blocks import Block
from ledger.quantities import ValidatorId
from ledger.votes import VoteKind
from tests.consensus.bench import Bench
from tests.consensus.cluster import Cluster, Flight
from tests.simulation.telling import said, short

SEPARATOR = "----"


class Scenario(Cluster):
    """A cluster that does what a transcript says, and says what it has done."""

    def __init__(self) -> None:
        super().__init__()
        self._blocks: dict[str, Block] = {}
        self._lines: list[tuple[str, str]] = []

    def run(self, command: str) -> str:
        """Carry out one command; return what could be observed."""
        name, *words = command.split()
        self._lines = []
        actions: dict[str, Callable[..., None]] = {
            "cluster": self._start,
            "submit": self._submit,
            "settle": self.settle,
            "deliver": self._deliver,
            "drop": self._drop,
            "tick": self._tick,
            "crash": self._crash,
            "restart": self._restart,
            "join": self._join,
            "cut": self._set_cut,
            "heal": self.cut.clear,
            "block": self._block,
            "say": self._say,
        }
        actions[name](*words)
        return "\n".join(_merged(self._lines)) or "nothing"

    def step(self, who: ValidatorId, action: Callable[[Bench], object]) -> ProtocolViolation | None:
        """Note what an engine says and does."""
        bench = self.benches[who]
        sent, events, height = len(bench.sent), len(bench.events), bench.height
        refused = super().step(who, action)
        for event in bench.events[events:]:
            if event != "appended":
                self._lines.append((str(who), f": {event}"))
        for certified in bench.chain[height:]:
            own = "" if certified.certificate else ", under a descendant's certificate"
            self._lines.append((str(who), f": appends {_block(certified.block)}{own}"))
        for send in bench.sent[sent:]:
            to = "*" if send.to is None else str(send.to)
            self._lines += [(str(who), f"->{to} {text}") for text in said(send.message)]
        return refused

    def _start(self, size: str, window: str = "1") -> None:
        Cluster.__init__(self, int(size), int(window))

    def _submit(self, who: str, item: str) -> None:
        self.submit(item.encode(), to=self._chosen(who))

    def _deliver(self, *words: str) -> None:
        self.deliver(self._filter(words))

    def _drop(self, *words: str) -> None:
        self._lines.append(("", f"{len(self.take(self._filter(words)))} message(s) lost"))

    def _tick(self, seconds: str, who: str = "all") -> None:
        self.tick(float(seconds), self._chosen(who))

    def _crash(self, who: str) -> None:
        self.down |= set(self._chosen(who))

    def _restart(self, who: str) -> None:
        for one in self._numbers(who):
            self.restart(one)
            bench = self.benches[one]
            self._lines.append((str(one), f": starts at height {bench.height}, view {bench.machine.view}"))
            self.step(one, lambda bench: bench.tick())

    def _join(self, who: str) -> None:
        self.join(ValidatorId(int(who)))

    def _set_cut(self, who: str) -> None:
        self.cut |= set(self._numbers(who))

    def _block(self, name: str, by: str, who: str, on: str, parent: str, *items: str) -> None:
        assert (by, on) == ("by", "on")
        below = self.forge.genesis if parent == "genesis" else self._blocks[parent].header
        block = self.forge.block(below, *(item.encode() for item in items), proposer=int(who))
        self._blocks[name] = block
        self._lines.append(("", f"{name} is {_block(block)}"))

    def _say(self, who: str, to: str, receivers: str, kind: str, name: str, view: str = "0") -> None:
        assert to == "to"
        block, sender = self._blocks[name], ValidatorId(int(who))
        votes = self.forge.votes(sender, self.forge.vote(_KINDS[kind], block.header, int(view)))
        messages: list[Message] = [Proposal(block=block), votes] if kind == "propose" else [votes]
        for receiver in self._numbers(receivers):
            self.flying += [(sender, receiver, message) for message in messages]

    def _filter(self, words: tuple[str, ...]) -> Callable[[Flight], bool]:
        rest = list(words)
        kind = rest.pop(0) if rest and rest[0] not in {"from", "to"} else ""
        ends = dict(zip(rest[::2], (self._numbers(who) for who in rest[1::2]), strict=True))
        senders, receivers = ends.get("from", tuple(self.benches)), ends.get("to", tuple(self.benches))

        def wanted(flight: Flight) -> bool:
            sender, receiver, message = flight
            return sender in senders and receiver in receivers and any(kind in text for text in said(message))

        return wanted

    def _chosen(self, who: str) -> tuple[ValidatorId, ...]:
        return tuple(one for one in self._numbers(who) if one not in self.down)

    def _numbers(self, who: str) -> tuple[ValidatorId, ...]:
        return tuple(self.benches) if who == "all" else tuple(ValidatorId(int(one)) for one in who.split(","))


_KINDS = {"propose": VoteKind.PRE_PREPARE, "prepare": VoteKind.PREPARE, "commit": VoteKind.COMMIT}


def _block(block: Block) -> str:
    items = " ".join(item.decode() for item in block.transactions)
    return f"{short(block.digest)} height={block.header.height} [{items}]"


def _merged(lines: list[tuple[str, str]]) -> list[str]:
    """Write lines that only differ in the sender as one, where the first of them stood."""
    senders: dict[str, list[str]] = {}
    for sender, text in lines:
        known = senders.setdefault(text, [])
        if sender not in known:
            known.append(sender)
    return [f"{','.join(sorted(known))}{text}" for text, known in senders.items()]


def replayed(path: Path) -> str:
    """Return a transcript as it would be written now."""
    scenario = Scenario()
    parts = []
    for part in path.read_text(encoding="utf-8").strip().split("\n\n"):
        command, _, _ = part.partition(f"\n{SEPARATOR}")
        spoken = [line for line in command.splitlines() if line and not line.startswith("#")]
        if not spoken:
            parts.append(part)
            continue
        assert len(spoken) == 1, "one command a part"
        parts.append(f"{command}\n{SEPARATOR}\n{scenario.run(spoken[0])}")
    return "\n\n".join(parts) + "\n"
