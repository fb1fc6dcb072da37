"""`quorate node init`, `start` and `status`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from node.home import Home as NodeHome
from node.home import create_validator
from node.transport.sockets import parse_address
from participant.node import Request
from quorate.commands.base import NODE_DEFAULT, Home, Node, noun
from quorate.errors import UsageError
from quorate.node_source import NodeSource
from quorate.output import Answer
from quorate.plain_text import Fields, Table
from quorate.reading import parse_name, well_formed
from quorate.words import moment

app = noun("Set up, start and look at one validator.")

EXIT_UNWELL = 1


@app.command("init")
def init(
    home: Home,
    organisation: Annotated[str, typer.Option(help="Name of the organisation that runs the validator.")],
    link: Annotated[str, typer.Option(help="host:port where the other validators reach it.")] = "127.0.0.1:7450",
    rest: Annotated[str, typer.Option(help="host:port where callers reach it.")] = "127.0.0.1:7451",
    metrics: Annotated[str, typer.Option(help="host:port for Prometheus.")] = "127.0.0.1:7452",
) -> Answer:
    """Make keys, certificate, settings and descriptor of a new validator; nothing is ever overwritten."""
    for address in (link, rest, metrics):
        parse_address(address)
    place = NodeHome(home)
    create_validator(
        place,
        organisation=parse_name(organisation, "name of an organisation"),
        link=link,
        rest=rest,
        metrics=metrics,
    )
    return Answer(
        data={"home": str(home), "organisation": organisation, "descriptor": str(place.descriptor)},
        shown=[Fields(pairs=[("home", home), ("organisation", organisation), ("descriptor", place.descriptor)])],
        next=f"quorate genesis assemble {place.descriptor} OTHERS... --chain NAME",
    )


@app.command("start")
def start(
    home: Home,
    genesis: Annotated[Path | None, typer.Option(help="The chain's genesis file; only needed the first time.")] = None,
    log_format: Annotated[str | None, typer.Option(help="text or json.")] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="TABLE.KEY=VALUE", help="Override a setting; may be repeated.")
    ] = None,
) -> int:
    """Run the validator until it is told to stop; its log goes to stderr."""
    from node.process import run  # noqa: PLC0415 - LevelDB and FastAPI, only where a node runs

    options = _options(settings or [])
    if log_format is not None:
        options["log.format"] = log_format
    place = NodeHome(home)
    if genesis is not None:
        place.adopt_genesis(genesis)
    return run(place, options)


@app.command("status")
def status(node: Node = NODE_DEFAULT) -> Answer:
    """Show where a node stands; exit code 1 if callers should not be sent to it."""
    with NodeSource(node, key=None) as source, well_formed(node):
        found = source.node.json(Request(method="GET", path="/v1/status"), dict[str, Any])
        healthy = found["active"] and not found["behind"]
        return Answer(
            data=found,
            shown=[_fields(found, healthy=healthy), _peers(found)],
            exit_code=0 if healthy else EXIT_UNWELL,
            next="quorate blocks",
        )


def _fields(found: dict[str, Any], *, healthy: bool) -> Fields:
    return Fields(
        pairs=[
            ("chain", f"{found['chain']}  {found['chain_id']}"),
            ("validator", f"{found['validator']} of {found['validators']}, {found['organisation']}"),
            ("height", f"{found['height']:,}  {found['head']}"),
            ("time", moment(found["time"])),
            ("view", f"{found['view']} of era {found['era']}, primary is validator {found['primary']}"),
            ("waiting", f"{found['mempool_transactions']:,} transactions"),
            ("blobs", f"{found['blob_bytes']:,} bytes"),
            ("health", "ok" if healthy else "changing the view" if not found["active"] else "behind the others"),
        ]
    )


def _peers(found: dict[str, Any]) -> Table:
    rows = [
        (it["validator"], "up" if it["connected"] else "down", "-" if it["head"] is None else f"{it['head']:,}")
        for it in found["peers"]
    ]
    return Table(columns=("peer", "link", "height"), rows=rows)


def _options(settings: list[str]) -> dict[str, str]:
    options = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals or "." not in name:
            raise UsageError("--set", expected="TABLE.KEY=VALUE, such as timing.view_ms=2000", got=repr(setting))
        options[name] = value
    return options
