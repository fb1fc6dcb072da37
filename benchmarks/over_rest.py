"""Clients over HTTP with keep-alive against four `quorate node start`: what callers get, the web framework included.

The client is a bare HTTP/1.1 one over asyncio's streams in this process; it takes a small part of the machine, but the
same two cores.
"""

import asyncio
import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from benchmarks.consortium import Consortium
from benchmarks.load import updates
from benchmarks.results import Row, Sample, quantile
from ledger.encoding import encode
from node.config import load
from node.rest.submissions import Submissions

WARM_SECONDS = 1.0
WAIT_MS = 30_000
READY_SECONDS_MAX = 90.0


def measure_rest(
    consortium: Consortium, clients: int, seconds: float, environment: Mapping[str, str], *, per_request: int = 1
) -> Row:
    """Start the validators, measure with so many transactions in each request, and end them."""
    processes = []
    for home in consortium.homes:
        command = [sys.executable, "-m", "quorate", "node", "start", "--home", str(home.path)]
        log = (home.path / "node.log").open("ab")
        processes.append(subprocess.Popen(command, stdout=log, stderr=log, env=dict(environment)))
    try:
        return asyncio.run(_measure(consortium, clients, seconds, [process.pid for process in processes], per_request))
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait(30)


async def _measure(consortium: Consortium, clients: int, seconds: float, pids: list[int], per_request: int) -> Row:
    listens = [load(home.configuration, environment={}).configuration.rest.listen for home in consortium.homes]
    addresses = [(host, int(port)) for host, _, port in (listen.rpartition(":") for listen in listens)]
    async with asyncio.timeout(READY_SECONDS_MAX):
        for address in addresses:
            while not await _is_ready(address):
                await asyncio.sleep(0.1)
    count = int(seconds * 2_500)
    raws = iter(list(itertools.islice(updates(consortium.genesis, consortium.authors), count)))
    begin = time.monotonic() + WARM_SECONDS
    sample = Sample(begin=begin, end=begin + seconds)
    running = [
        asyncio.create_task(_client(addresses[number % len(addresses)], raws, sample, per_request))
        for number in range(clients)
    ]
    await asyncio.sleep(WARM_SECONDS)
    height, cpu = await _height(addresses[0]), sum(map(_cpu, pids))
    await asyncio.sleep(seconds)
    blocks = max(1, await _height(addresses[0]) - height)
    cpu = sum(map(_cpu, pids)) - cpu
    await asyncio.gather(*running)
    return Row(
        system="node over REST" if per_request == 1 else f"node over REST, {per_request} a request",
        clients=clients,
        blocks_per_s=blocks / seconds,
        tx_per_s=len(sample.latencies_ms) / seconds,
        p50_ms=quantile(sample.latencies_ms, 0.5),
        p99_ms=quantile(sample.latencies_ms, 0.99),
        cpu_ms_per_block=1_000 * cpu / len(pids) / blocks,
        cpu_us_per_tx=1_000_000 * cpu / len(pids) / max(1, len(sample.latencies_ms)),
    )


async def _client(address: tuple[str, int], raws: Iterator[bytes], sample: Sample, per_request: int) -> None:
    reader, writer = await asyncio.open_connection(*address)
    try:
        while time.monotonic() < sample.end and (chosen := tuple(itertools.islice(raws, per_request))):
            began = time.monotonic()
            writer.write(_request(address[0], chosen, single=per_request == 1))
            _, _, answer = await _answer(reader)
            ended = time.monotonic()
            for _ in range(_count_final(answer)):
                sample.add(began, ended)
    finally:
        writer.close()
        await writer.wait_closed()


def _request(host: str, chosen: tuple[bytes, ...], *, single: bool) -> bytes:
    path = "transactions" if single else "submissions"
    body = chosen[0] if single else encode(Submissions(transactions=chosen))
    head = (
        f"POST /v1/{path}?wait={WAIT_MS} HTTP/1.1\r\nHost: {host}\r\n"
        f"Content-Type: application/msgpack\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def _count_final(answer: bytes) -> int:
    """Return how many transactions an answer says are final; raises ValueError for one that is neither that nor waits.

    A problem document counts as one: its status is a number.
    """
    found = json.loads(answer)
    statuses = [result["status"] for result in found.get("results", [found])]
    if set(statuses) - {"final", "pending"}:
        raise ValueError(f"answer: expected transactions that are final or wait, got {found}")
    return statuses.count("final")


async def _answer(reader: asyncio.StreamReader) -> tuple[int, dict[str, str], bytes]:
    lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
    content = await reader.readexactly(int(fields.get("content-length", "0")))
    return int(lines[0].split()[1]), fields, content


async def _ask(address: tuple[str, int], path: str) -> tuple[int, dict[str, str], bytes]:
    reader, writer = await asyncio.open_connection(*address)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: {address[0]}\r\n\r\n".encode())
    try:
        return await _answer(reader)
    finally:
        writer.close()


async def _is_ready(address: tuple[str, int]) -> bool:
    try:
        return (await _ask(address, "/readyz"))[0] == 200
    except (OSError, asyncio.IncompleteReadError):
        return False


async def _height(address: tuple[str, int]) -> int:
    return int((await _ask(address, "/v1/status"))[1]["quorate-height"])


def _cpu(pid: int) -> float:
    """Return the seconds of CPU that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
