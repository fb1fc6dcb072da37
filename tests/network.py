"""Real validators for tests: homes on free ports, real TLS, LevelDB and vote logs, in this process's event loop."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from ledger.blobs import SignedTicket, UploadTicket
from ledger.encoding import encode
from ledger.genesis import Genesis, assemble
from ledger.hashing import ZERO_DIGEST, Digest, sha256
from ledger.keys import SigningKey
from ledger.parameters import ChainParameters
from ledger.quantities import Height, TimeMs
from ledger.transactions import NONCE_BYTES, Body, SignedTransaction, Transaction
from node.config import load
from node.home import Home, create_member, create_validator
from node.keystore import KeyPurpose
from node.runtime.api import Final
from node.runtime.node import Node
from quorate.ports import free_ports

WAIT_SECONDS = 120.0
"""Far longer than anything takes: tests wait for events, never for time."""
STEADY = {"timing.view_ms": str(int(WAIT_SECONDS * 1000))}
"""Settings with which no view ends while a test waits, however busy the machine: the default allows half a second."""


def make_homes(folder: Path, *, validators: int = 4, trainers: int = 0) -> list[Home]:
    """Make the homes of `org-0`... with a validator each, then `site-0`... without, with one genesis file in all."""
    homes, descriptors = [], []
    for number in range(validators):
        home = Home(folder / f"org-{number}")
        link, rest, metrics = (f"127.0.0.1:{port}" for port in free_ports(3))
        descriptors.append(create_validator(home, organisation=f"org-{number}", link=link, rest=rest, metrics=metrics))
        homes.append(home)
    for number in range(trainers):
        home = Home(folder / f"site-{number}")
        descriptors.append(create_member(home, organisation=f"site-{number}"))
        homes.append(home)
    genesis = folder / "genesis.json"
    now = TimeMs(time.time_ns() // 1_000_000)
    genesis.write_bytes(assemble(tuple(descriptors), chain="testing", time=now, parameters=ChainParameters()))
    for home in homes[:validators]:
        home.adopt_genesis(genesis)
    return homes


def signed(key: SigningKey, body: Body, genesis: Genesis, *, valid_until: int = 5_000) -> SignedTransaction:
    """Return a new transaction."""
    transaction = Transaction(
        chain_id=genesis.chain_id,
        author=key.public,
        nonce=secrets.token_bytes(NONCE_BYTES),
        valid_until=Height(valid_until),
        body=body,
    )
    return SignedTransaction.sign(transaction, key)


def ticket(key: SigningKey, data: bytes, genesis: Genesis, *, layout: Digest = ZERO_DIGEST) -> SignedTicket:
    """Return leave to upload `data`."""
    unsigned = UploadTicket(
        chain_id=genesis.chain_id,
        author=key.public,
        blob=sha256(data),
        size=len(data),
        layout=layout,
        expires=Height(5_000),
    )
    return SignedTicket.sign(unsigned, key)


@dataclass(slots=True)
class InProcessNetwork:
    """Several nodes in one event loop."""

    homes: list[Home]
    settings: Mapping[str, str] = field(default_factory=dict)
    """What every node is started with, beside its own configuration: `table.key` to text."""
    nodes: list[Node] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    """Set whenever any node has appended a block."""

    @property
    def genesis(self) -> Genesis:
        """The chain's genesis."""
        return self.nodes[0].member.genesis

    def operator(self, number: int) -> SigningKey:
        """Return the operator key of a member."""
        return self.homes[number].load_key(KeyPurpose.OPERATOR)

    async def submit(self, key: SigningKey, body: Body, *, node: int = 0) -> Final:
        """Submit a transaction to one node and wait until it is final there."""
        identity = self.nodes[node].api.submit(encode(signed(key, body, self.genesis)))
        final = await self.nodes[node].api.wait_final(identity, WAIT_SECONDS)
        assert final is not None
        return final

    async def upload(self, key: SigningKey, data: bytes, *, layout: Digest = ZERO_DIGEST, node: int = 0) -> Digest:
        """Upload a blob to one node and wait until a quorum's HOLDs are on chain."""
        leave = ticket(key, data, self.genesis, layout=layout)
        api = self.nodes[node].api
        incoming = api.begin_upload(leave)
        incoming.write(data)
        await api.finish_upload(leave, incoming)
        assert await api.wait_recorded(sha256(data), WAIT_SECONDS) is not None
        return sha256(data)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until a condition holds that can only change when a block is appended."""
        async with asyncio.timeout(WAIT_SECONDS):
            while not condition():
                self.changed.clear()
                await self.changed.wait()

    def start(self, home: Home) -> Node:
        """Start the node of a home."""
        loaded = load(home.configuration, environment={}, options=self.settings)
        node = Node(home, loaded.configuration)
        node.application.on_appended(lambda _: self.changed.set())
        node.start()
        return node

    def restart(self, number: int) -> Node:
        """Start a node again from its home; stop the old one first."""
        self.nodes[number] = self.start(self.homes[number])
        return self.nodes[number]


@asynccontextmanager
async def running_network(
    folder: Path, *, validators: int = 4, trainers: int = 0, settings: Mapping[str, str] | None = None
) -> AsyncIterator[InProcessNetwork]:
    """Run validators until the block ends."""
    homes = make_homes(folder, validators=validators, trainers=trainers)
    network = InProcessNetwork(homes=homes, settings=settings or {})
    try:
        network.nodes += [network.start(home) for home in homes[:validators]]
        yield network
    finally:
        for node in network.nodes:
            if not node.is_stopped:
                await node.stop()
