"""`quorate network up`, `down` and `status`."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated

import typer

from ledger.quantities import VALIDATORS_MAX, VALIDATORS_MIN
from quorate import environment
from quorate.commands.base import example, noun
from quorate.local_network import NETWORK_FILE, LocalNetwork
from quorate.output import Answer
from quorate.plain_text import Fields, Table
from quorate.words import grouped

app = noun("Validators of a trial network on this machine.")

Folder = Annotated[Path, typer.Option("--dir", help="Folder of the network.")]
EXIT_UNWELL = 1


@app.command("up", epilog=example("network up --dir trial"))
def up(
    folder: Folder,
    validators: Annotated[
        int, typer.Option(help="How many, if the network is new.", min=VALIDATORS_MIN, max=VALIDATORS_MAX)
    ] = VALIDATORS_MIN,
) -> Answer:
    """Start a network, and wait until every validator is ready.

    A new one if the folder has none. Each validator has a home of its own below the folder.
    """
    if (folder / NETWORK_FILE).exists():
        network = LocalNetwork.open(folder)
    else:
        names = [f"org-{number}" for number in range(validators)]
        network = LocalNetwork.create(folder, organisations=names, chain="trial")
    places = range(len(network.urls))
    for place in places:
        if not network.is_running(place):
            network.start(place)
    for place in places:
        network.wait_ready(place)
    return _answer(network, following=environment.export(node=network.urls[0], genesis=network.genesis))


@app.command("down", epilog=example("network down --dir trial"))
def down(folder: Folder) -> Answer:
    """Stop the validators that were started here.

    And nothing else: homes and chain stay.
    """
    network = LocalNetwork.open(folder)
    network.stop_all()
    return _answer(network, following=f"quorate network up --dir {folder}")


@app.command("status", epilog=example("network status --dir trial"))
def status(folder: Folder) -> Answer:
    """Show each validator; exit code 1 unless all are ready."""
    network = LocalNetwork.open(folder)
    answer = _answer(network, following=f"quorate network down --dir {folder}")
    ready = all(found["ready"] for found in answer.data["validators"])
    return replace(answer, exit_code=0 if ready else EXIT_UNWELL)


def _answer(network: LocalNetwork, *, following: str) -> Answer:
    found = network.status()
    chain_id = network.chain_id()
    return Answer(
        data={
            "folder": str(network.folder),
            "genesis": str(network.genesis),
            "chain_id": chain_id,
            "validators": [asdict(it) for it in found],
        },
        shown=[
            Fields(pairs=[("genesis", network.genesis), ("chain id", grouped(chain_id))]),
            Table(
                columns=("member", "url", "process", "ready", "height"),
                rows=[
                    (
                        it.name,
                        it.url,
                        it.process or "-",
                        "yes" if it.ready else "no",
                        "-" if it.height is None else it.height,
                    )
                    for it in found
                ],
            ),
        ],
        next=following,
    )
