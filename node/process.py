"""The node as a process: configuration, logs, signals, and the listeners for callers and for metrics.

SIGTERM and SIGINT drain: callers that wait are answered, then the node leaves its peers and closes what is durable.
"""

import asyncio
import os
import signal
from collections.abc import Mapping, Sequence
from typing import Any

import structlog

from node.config import Configuration, load
from node.garbage import long_lived
from node.home import Home
from node.logs import configure_logs
from node.metrics import MetricsServer, NodeMetrics
from node.rest.app import create_app
from node.rest.server import HttpServer, RestServer
from node.runtime.node import Node

log = structlog.get_logger()


def run(home: Home, options: Mapping[str, str]) -> int:
    """Run the node of a home until it is told to stop or cannot go on; return the exit code.

    Raises ConfigurationError and others before anything was started.
    """
    loaded = load(home.configuration, environment=os.environ, options=options)
    configure_logs(loaded.configuration.log)
    while (code := asyncio.run(_run(home, loaded.configuration))) is None:
        log.info("opening-again")
    return code


async def _run(home: Home, configuration: Configuration) -> int | None:
    """Run a node to its end; return its exit code, or None if it is to be opened again."""
    node = Node(home, configuration)
    servers = _servers(node, configuration)
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(_log_escaped)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, node.ending.set)
    with long_lived():
        await _serve(node, servers)
    return None if node.reopens and not node.exit_code else node.exit_code


async def _serve(node: Node, servers: Sequence[HttpServer]) -> None:
    """Let a node take part and answer callers until it ends, or a listener fails."""
    node.start()
    serving = [asyncio.create_task(server.serve()) for server in servers]
    ending = asyncio.create_task(node.ending.wait())
    try:
        done, _ = await asyncio.wait([ending, *serving], return_when=asyncio.FIRST_COMPLETED)
        for task in done - {ending}:
            task.result()
    finally:
        ending.cancel()
        log.info("stopping", height=node.api.height)
        for server in servers:
            await server.stop()
        await asyncio.gather(*serving, return_exceptions=True)
        await node.stop()


def _log_escaped(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log what a callback of the event loop let escape: a bug of ours, which must not pass silently."""
    log.error("callback-crashed", where=str(context.get("message")), exc_info=context.get("exception"))


def _servers(node: Node, configuration: Configuration) -> list[HttpServer]:
    """Bind the listeners, so that a wrong address is found before the node takes part; raises ConfigurationError."""
    servers: list[HttpServer] = [
        RestServer(create_app(node.api, configuration.rest, configuration.limits), configuration.rest)
    ]
    if configuration.metrics.listen:
        metrics = NodeMetrics(node.api.status)
        node.application.on_appended(metrics.on_appended)
        node.on_event(metrics.on_event)
        node.on_violation(metrics.on_violation)
        servers.append(MetricsServer(metrics, configuration.metrics))
    return servers
