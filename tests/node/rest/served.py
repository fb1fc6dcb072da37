"""Four real validators in a loop of their own thread, the first with its HTTP listener, for tests that call it."""

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest
from fastapi import FastAPI

from contracts import queries
from ledger.quantities import RoundNumber
from ledger.records import RoundStatus
from node.config import Configuration, LimitsSection, RestSection, load
from node.rest.app import create_app
from node.rest.noun_schemas import Answer
from node.rest.schemas import Problem
from node.rest.server import RestServer
from node.runtime.api import NodeApi
from tests.network import STEADY, InProcessNetwork, running_network
from tests.node.runtime.sites import TASK, Sites, open_task

T = TypeVar("T")
WAIT_SECONDS = 120.0
"""Far longer than anything takes."""


@dataclass(slots=True, kw_only=True)
class Served:
    """A network with one decided round and one open one, whose first node answers HTTP."""

    loop: asyncio.AbstractEventLoop
    network: InProcessNetwork
    sites: Sites
    configuration: Configuration

    @property
    def api(self) -> NodeApi:
        """The first node, as its routes see it; to be used in its loop only."""
        return self.network.nodes[0].api

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run something in the network's loop and return what it returns."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(WAIT_SECONDS)

    def caller(self) -> httpx.Client:
        """Return a caller of the first node."""
        return httpx.Client(base_url=f"http://{self.configuration.rest.listen}", timeout=WAIT_SECONDS)

    def app(self, *, section: RestSection | None = None, limits: LimitsSection | None = None) -> FastAPI:
        """Return another application over the first node, with limits of its own."""

        async def make() -> FastAPI:
            return create_app(self.api, section or self.configuration.rest, limits or self.configuration.limits)

        return self.run(make())

    def call(self, app: FastAPI, method: str, path: str, **request: Any) -> httpx.Response:
        """Call an application without a socket, in the network's loop."""

        async def send() -> httpx.Response:
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://node") as caller:
                return await caller.request(method, path, **request)

        return self.run(send())


@contextmanager
def served_network(folder: Path) -> Iterator[Served]:
    """Run a network in another thread until the block ends."""
    started: Future[Served] = Future()
    ending = threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(_serve(folder, started, ending)))
    thread.start()
    try:
        yield started.result(WAIT_SECONDS)
    finally:
        ending.set()
        thread.join()


async def _serve(folder: Path, started: Future[Served], ending: threading.Event) -> None:
    try:
        async with running_network(folder, trainers=1, settings=STEADY) as network:
            sites = await open_task(network, rounds=2)
            await asyncio.gather(*(sites.take_part(site, 1, node=site % 4) for site in range(5)))
            await network.until(lambda: _is_decided(network))
            configuration = load(network.homes[0].configuration, environment={}).configuration
            app = create_app(network.nodes[0].api, configuration.rest, configuration.limits)
            rest = RestServer(app, configuration.rest)
            serving = asyncio.ensure_future(rest.serve())
            loop = asyncio.get_running_loop()
            started.set_result(Served(loop=loop, network=network, sites=sites, configuration=configuration))
            await asyncio.to_thread(ending.wait)
            await rest.stop()
            await serving
    except BaseException as error:
        if not started.done():
            started.set_exception(error)
        raise


def _is_decided(network: InProcessNetwork) -> bool:
    records = [queries.round_record(node.chain.state, TASK, RoundNumber(1)) for node in network.nodes]
    return all(record is not None and record.status is RoundStatus.DECIDED for record in records)


def stall(served: Served, patch: pytest.MonkeyPatch) -> None:
    """Let nothing of the first node's loop reach a block: what is submitted there stays pending."""
    node = served.network.nodes[0]
    patch.setattr(node.loop, "poke", lambda: None)
    patch.setattr(node._gossip, "_poke", lambda: None)
    patch.setattr(node._gossip, "_broadcast", lambda _: None)


def checked(response: httpx.Response, model: type[Answer], *, status: int = 200) -> dict[str, Any]:
    """Return the content of a JSON answer that has the form that the OpenAPI document gives it."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/json"
    assert int(response.headers["quorate-height"]) >= 0
    content: dict[str, Any] = response.json()
    model.model_validate(content)
    return content


def refused(response: httpx.Response, code: str, *, status: int) -> dict[str, Any]:
    """Return the problem document of a refusal."""
    assert (response.status_code, response.headers["content-type"]) == (status, "application/problem+json"), (
        response.text
    )
    document: dict[str, Any] = response.json()
    Problem.model_validate(document)
    assert (document["code"], document["status"], document["type"]) == (code, status, f"/problems/{code}")
    return document


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield path, method and description of each operation of an OpenAPI document."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation
