"""`quorate genesis assemble` and `quorate genesis show`."""

import time
from pathlib import Path
from typing import Annotated

import typer

from ledger.errors import ConfigurationError, InputError
from ledger.genesis import GENESIS_BYTES_MAX, Genesis, assemble
from ledger.parameters import ChainParameters
from ledger.quantities import TimeMs
from ledger.rendering import plain
from node.home import read_descriptor
from quorate.commands.base import example, noun
from quorate.files import read_file, write_new_file
from quorate.output import Answer
from quorate.parsing import parse_name
from quorate.plain_text import Fields, Shown, Table
from quorate.words import grouped, moment, short

app = noun("Assemble the file from which a chain begins, and look at it.")


@app.command(
    "assemble", epilog=example("genesis assemble alpha.json beta.json gamma.json delta.json --chain cardiology")
)
def assemble_(
    descriptors: Annotated[list[Path], typer.Argument(help="Descriptor of each member.")],
    chain: Annotated[str, typer.Option(help="Name of the chain.")],
    out: Annotated[Path, typer.Option(help="File to write; never overwritten.")] = Path("genesis.json"),
) -> Answer:
    """Write a genesis file from the descriptors of all members.

    Every member reads the chain id aloud to the others before anybody starts a node.
    """
    members = tuple(read_descriptor(file) for file in descriptors)
    now = TimeMs(time.time_ns() // 1_000_000)
    name = parse_name(chain, "name of a chain")
    try:
        data = assemble(members, chain=name, time=now, parameters=ChainParameters())
    except InputError as error:
        raise ConfigurationError(f"these descriptors make no chain: {error}") from error
    write_new_file(out, data)
    return _answer(out, Genesis(data), following=f"quorate node start --home HOME --genesis {out}")


@app.command("show", epilog=example("genesis show genesis.json"))
def show(file: Annotated[Path, typer.Argument(help="A genesis file.")] = Path("genesis.json")) -> Answer:
    """Verify a genesis file, and show what it says.

    Chain id, members and their addresses; with --format json every parameter.
    """
    genesis = Genesis(read_file(file, bytes_max=GENESIS_BYTES_MAX))
    return _answer(file, genesis, following=f"quorate node start --home HOME --genesis {file}")


def _answer(file: Path, genesis: Genesis, *, following: str) -> Answer:
    document, validators = genesis.document, genesis.validators
    chain_id = genesis.chain_id.hex()
    members = [
        {
            "organisation": member.organisation,
            "operator_key": member.operator_key,
            "validators": [
                {"link_address": it.link_address, "rest_url": it.rest_url, "vote_key": it.vote_key}
                for it in member.validators
            ],
        }
        for member in document.organisations
    ]
    fields = Fields(
        pairs=[
            ("file", file),
            ("chain", document.chain),
            ("chain id", grouped(chain_id)),
            ("time", moment(document.time_ms)),
            ("validators", f"{validators.size}, of which {validators.faulty_max} may be Byzantine"),
            ("quorum", validators.quorum),
        ]
    )
    shown: list[Shown] = [fields, _members_table(genesis)]
    return Answer(
        data={
            "file": str(file),
            "chain": document.chain,
            "chain_id": chain_id,
            "time": document.time_ms,
            "quorum": validators.quorum,
            "parameters": plain(genesis.parameters),
            "organisations": members,
        },
        shown=shown,
        next=following,
    )


def _members_table(genesis: Genesis) -> Table:
    rows = [
        (
            member.organisation,
            short(member.operator_key),
            ", ".join(it.link_address for it in member.validators) or "-",
            ", ".join(it.rest_url for it in member.validators) or "-",
        )
        for member in genesis.document.organisations
    ]
    return Table(columns=("organisation", "operator key", "links", "callers"), rows=rows)
