"""`quorate genesis assemble` and `quorate genesis show`."""

import time
from pathlib import Path
from typing import Annotated

import typer

from ledger.genesis import Genesis, assemble
from ledger.parameters import ChainParameters
from ledger.quantities import TimeMs
from ledger.rendering import plain
from node.home import read_descriptor
from participant.session import read_genesis
from quorate.commands.base import noun
from quorate.files import write_new_file
from quorate.output import Answer
from quorate.plain_text import Fields, Shown, Table
from quorate.reading import parse_name
from quorate.words import grouped, moment, short

app = noun("Assemble the file from which a chain begins, and look at it.")


@app.command("assemble")
def assemble_(
    descriptors: Annotated[list[Path], typer.Argument(help="Descriptor of each member.")],
    chain: Annotated[str, typer.Option(help="Name of the chain.")],
    out: Annotated[Path, typer.Option(help="File to write; never overwritten.")] = Path("genesis.json"),
) -> Answer:
    """Write a genesis file; every member reads the chain id aloud before anybody starts."""
    members = tuple(read_descriptor(file) for file in descriptors)
    now = TimeMs(time.time_ns() // 1_000_000)
    data = assemble(members, chain=parse_name(chain, "name of a chain"), time=now, parameters=ChainParameters())
    write_new_file(out, data)
    return _answer(out, Genesis(data), following=f"quorate node start --home HOME --genesis {out}")


@app.command("show")
def show(file: Annotated[Path, typer.Argument(help="A genesis file.")] = Path("genesis.json")) -> Answer:
    """Verify a genesis file and show its chain id, members and parameters."""
    return _answer(file, read_genesis(file), following=f"quorate node start --home HOME --genesis {file}")


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
