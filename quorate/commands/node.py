"""`quorate node init` and `start`."""

from pathlib import Path
from typing import Annotated

import typer

from node.home import Home as NodeHome
from node.home import create_validator
from node.transport.sockets import parse_address
from quorate.commands.base import Home, example, noun
from quorate.errors import UsageError
from quorate.output import Answer
from quorate.parsing import parse_name
from quorate.plain_text import Fields

app = noun("Set up and start one validator.")


@app.command("init", epilog=example("node init --home alpha --organisation alpha --link node.alpha.example:7450"))
def init(
    home: Home,
    organisation: Annotated[str, typer.Option(help="Name of the organisation that runs the validator.")],
    link: Annotated[str, typer.Option(help="host:port where the other validators reach it.")] = "127.0.0.1:7450",
    rest: Annotated[str, typer.Option(help="host:port where callers reach it.")] = "127.0.0.1:7451",
    metrics: Annotated[str, typer.Option(help="host:port for Prometheus.")] = "127.0.0.1:7452",
) -> Answer:
    """Make keys, settings and descriptor of a new validator.

    Nothing is ever overwritten. The descriptor holds no secret: it goes to whoever assembles the genesis file.
    """
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


@app.command("start", epilog=example("node start --home alpha --genesis genesis.json --set timing.view_ms=2000"))
def start(
    home: Home,
    genesis: Annotated[Path | None, typer.Option(help="The chain's genesis file; only needed the first time.")] = None,
    learner: Annotated[bool, typer.Option(help="That file is without this node, which is to join.")] = False,  # noqa: FBT002
    log_format: Annotated[str | None, typer.Option(help="text or json.")] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="TABLE.KEY=VALUE", help="Override a setting; may be repeated.")
    ] = None,
) -> int:
    """Run the validator until it is told to stop (SIGTERM).

    Its log goes to stderr. Options win over the environment (QUORATE_TABLE__KEY), which wins over node.toml.
    """
    from node.process import run  # noqa: PLC0415 - LevelDB and FastAPI, only where a node runs

    overrides = _overrides(settings or [])
    if log_format is not None:
        overrides["log.format"] = log_format
    place = NodeHome(home)
    if genesis is not None:
        place.adopt_genesis(genesis, learner=learner)
    return run(place, overrides)


def _overrides(settings: list[str]) -> dict[str, str]:
    overrides = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals or "." not in name:
            raise UsageError("--set", expected="TABLE.KEY=VALUE, such as timing.view_ms=2000", got=repr(setting))
        overrides[name] = value
    return overrides
