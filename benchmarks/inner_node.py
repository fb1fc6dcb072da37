"""One validator with clients inside its own process: `python -m benchmarks.inner_node HOME CLIENTS SECONDS`.

Everything is as in a node but REST: links, disk, signatures. Clients submit to the node's own door (`NodeApi.submit`)
and wait until it has appended what they sent. It says `ready` once every peer is connected, starts the clock at a line
on stdin, stays up for its peers until the next one, and answers with one line of JSON.
"""

import asyncio
import itertools
import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.breakdown import Sampler
from benchmarks.load import enrolments, updates
from benchmarks.results import Sample
from node.config import load
from node.garbage import long_lived
from node.home import Home
from node.keystore import KeyPurpose
from node.logs import configure_logs
from node.runtime.node import Node

WARM_SECONDS = 1.0


async def line() -> None:
    """Wait for a line on stdin."""
    await asyncio.to_thread(sys.stdin.readline)


async def client(node: Node, raws: Iterator[bytes], sample: Sample, *, until: float) -> None:
    """Submit one transaction after another, each once the one before is final here."""
    while time.monotonic() < until:
        began = time.monotonic()
        identity = node.api.submit(next(raws))
        await node.api.wait_final(identity, 60.0)
        sample.add(began, time.monotonic())


async def run(home: Home, clients: int, seconds: float, *, accepted: bool) -> None:
    """Make the load and measure one node's part."""
    configuration = load(home.configuration, environment=os.environ).configuration
    configure_logs(configuration.log)
    node = Node(home, configuration)
    genesis = node.member.genesis
    authors = {file.name: Home(file).load_key(KeyPurpose.OPERATOR) for file in sorted(home.path.parent.glob("site-*"))}
    make = enrolments if accepted else updates
    raws = itertools.chain(list(itertools.islice(make(genesis, authors), int(seconds * 3_000) if clients else 0)))
    with long_lived():
        await measure(node, raws, clients, seconds)
        await node.stop()


async def measure(node: Node, raws: Iterator[bytes], clients: int, seconds: float) -> None:
    """Start a node and measure it, as the lines on stdin say."""
    node.start()
    while len(node.api.status().peers) > sum(peer.connected for peer in node.api.status().peers):
        await asyncio.sleep(0.05)
    print("ready", flush=True)
    await line()
    begin = time.monotonic() + WARM_SECONDS
    sample = Sample(begin=begin, end=begin + seconds)
    running = [asyncio.create_task(client(node, raws, sample, until=sample.end)) for _ in range(clients)]
    await asyncio.sleep(WARM_SECONDS)
    traffic = node._wires.links.traffic.values()  # noqa: SLF001 - what the links have counted
    height, cpu = node.api.height, time.process_time()
    sent = sum(each.bytes_sent for each in traffic)
    with Sampler() as sampler:
        await asyncio.sleep(seconds)
    answer = {
        "blocks": node.api.height - height,
        "cpu_s": time.process_time() - cpu,
        "bytes_sent": sum(each.bytes_sent for each in traffic) - sent,
        "latencies_ms": sample.latencies_ms,
        "samples": sampler.found,
    }
    await asyncio.gather(*running)
    print(json.dumps(answer), flush=True)
    await line()


def main() -> None:
    """Run as the command line says."""
    home, clients, seconds, kind = sys.argv[1:]
    asyncio.run(run(Home(Path(home)), int(clients), float(seconds), accepted=kind == "accepted"))


if __name__ == "__main__":
    main()
