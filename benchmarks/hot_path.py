"""CPU of the hot path alone: four validators in one process, real storage and signatures, no links and no REST.

`python -m benchmarks.hot_path` prints CPU a transaction and a block and validator, which a busy machine disturbs far
less than wall time, and where it goes. Engines, mempools, loops, vote logs and databases are the real
ones; a link is a call of the other loop with the encoded frame, on the next turn.
"""

import argparse
import asyncio
import itertools
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.breakdown import Sampler
from benchmarks.consortium import Consortium, make_consortium
from benchmarks.load import enrolments, updates
from consensus.ports import Send
from contracts.chain import ExecutedBlock
from ledger.parameters import ChainParameters
from ledger.quantities import ValidatorId
from node.config import Configuration, LimitsSection, TimingSection
from node.mempool import Mempool
from node.runtime.application import ChainApplication
from node.runtime.gossip import Gossip
from node.runtime.loop import ConsensusLoop
from node.runtime.opening import Durable, open_machine
from node.runtime.wire import ConsensusFrame, DutyFrame, Frame, Transactions, decode_frame, encode_frame

CONFIGURATION = Configuration(limits=LimitsSection(mempool_sender_max=20_000), timing=TimingSection(view_ms=60_000))


@dataclass(slots=True)
class Wired:
    """Four validators, joined by calls."""

    consortium: Consortium
    loops: list[ConsensusLoop] = field(default_factory=list)
    gossips: list[Gossip] = field(default_factory=list)
    applications: list[ChainApplication] = field(default_factory=list)
    durables: list[Durable] = field(default_factory=list)
    bytes_sent: int = 0

    def add(self, place: int) -> None:
        """Open one validator."""
        home = self.consortium.homes[place]
        member = home.membership(self.consortium.genesis)
        me = member.validator
        assert me is not None
        durable = Durable.open(home, self.consortium.genesis, CONFIGURATION)
        mempool = Mempool(CONFIGURATION.limits)
        application = ChainApplication(durable.chain, mempool, self.consortium.genesis.chain_id)
        loop = ConsensusLoop(
            begin_era=lambda: open_machine(durable, home, member, application, CONFIGURATION.timing),
            application=application,
            durable=durable,
            send=lambda send: self.carry(me, send),
            on_event=lambda _: None,
            on_evidence=lambda _: None,
            on_violation=_raise,
            on_fatal=_raise,
        )
        gossip = Gossip(
            application=application,
            mempool=mempool,
            broadcast=lambda message: self._give(me, DutyFrame(message=message), None),
            poke=loop.poke,
        )
        self.durables.append(durable)
        self.applications.append(application)
        self.loops.append(loop)
        self.gossips.append(gossip)

    def carry(self, sender: ValidatorId, send: Send) -> None:
        """Carry what an engine says."""
        self._give(sender, ConsensusFrame(message=send.message), send.to)

    def _give(self, sender: ValidatorId, frame: Frame, to: ValidatorId | None) -> None:
        data = encode_frame(frame)
        for place in range(len(self.loops)):
            if place != sender and to in {None, place}:
                self.bytes_sent += len(data)
                asyncio.get_running_loop().call_soon(self._arrive, sender, place, data)

    def _arrive(self, sender: ValidatorId, place: int, data: bytes) -> None:
        frame = decode_frame(data)
        if isinstance(frame, ConsensusFrame):
            self.loops[place].receive(sender, frame.message)
        elif isinstance(frame.message, Transactions):
            self.gossips[place].on_transactions(sender, frame.message)


def _raise(error: BaseException) -> None:
    raise error


@dataclass(slots=True)
class Measured:
    """One run."""

    transactions: int
    blocks: int
    cpu: float
    bytes_sent: int


async def run(
    consortium: Consortium, raws: Iterator[bytes], *, concurrent: int, count: int, sampler: Sampler
) -> Measured:
    """Keep so many transactions waiting until `count` are final."""
    wired = Wired(consortium)
    for place in range(len(consortium.homes)):
        wired.add(place)
    ready = list(itertools.islice(raws, count))
    done = asyncio.Event()
    left, places = len(ready), itertools.cycle(range(4))
    fresh = iter(ready)

    def feed(most: int) -> None:
        for raw in itertools.islice(fresh, most):
            wired.gossips[next(places)].submit(raw)

    def on_appended(executed: ExecutedBlock) -> None:
        nonlocal left
        final = len(executed.block.transactions)
        left -= final
        asyncio.get_running_loop().call_soon(feed, final)
        if not left:
            done.set()

    wired.applications[0].on_appended(on_appended)
    height = wired.durables[0].chain.head.header.height
    begin = time.process_time()
    with sampler:
        feed(concurrent)
        await done.wait()
    cpu = time.process_time() - begin
    blocks = wired.durables[0].chain.head.header.height - height
    for loop in wired.loops:
        loop.stop()
    for durable in wired.durables:
        durable.close()
    return Measured(transactions=len(ready), blocks=blocks, cpu=cpu, bytes_sent=wired.bytes_sent)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--window", type=int, default=8)
    parser.add_argument("--block-transactions", type=int, default=1_000, help="most in a block")
    parser.add_argument("--accepted", action="store_true", help="enrolments instead of refused updates")
    parser.add_argument("--concurrent", type=int, nargs="*", default=[1, 16, 128, 1024])
    parser.add_argument("--count", type=int, default=3000)
    options = parser.parse_args()
    parameters = ChainParameters(
        window=options.window, block_transactions_max=options.block_transactions, participants_max=10**6
    )
    for concurrent in options.concurrent:
        count = min(options.count, max(200, concurrent * 20))
        with tempfile.TemporaryDirectory(dir=".") as folder:
            consortium = make_consortium(Path(folder), parameters=parameters)
            make = enrolments if options.accepted else updates
            sampler = Sampler()
            raws = make(consortium.genesis, consortium.authors)
            wall = time.perf_counter()
            found = asyncio.run(run(consortium, raws, concurrent=concurrent, count=count, sampler=sampler))
            wall = time.perf_counter() - wall
        print(
            f"{concurrent:5} waiting: {found.transactions:6} tx in {found.blocks:5} blocks, "
            f"CPU a validator: {found.cpu / 4 / found.transactions * 1e6:7.0f} us/tx "
            f"{found.cpu / 4 / found.blocks * 1e6:7.0f} us/block; "
            f"{found.bytes_sent / 4 / found.blocks:7.0f} B/block; wall {wall:.2f} s"
        )
        for kind, part in sampler.parts():
            print(f"      {100 * part:5.1f} %  {kind}")


if __name__ == "__main__":
    main()
