"""`quorate export FOLDER`."""

from pathlib import Path
from typing import Annotated

import typer

from quorate.commands.base import GenesisFile, Node, ReaderKey, verb
from quorate.environment import NODE_DEFAULT
from quorate.exporting import export_chain
from quorate.output import Answer
from quorate.plain_text import Fields
from quorate.reading import Origin, open_source


def export(
    target: Annotated[Path, typer.Argument(metavar="FOLDER", help="A new folder.")],
    node: Node = NODE_DEFAULT,
    genesis: GenesisFile = None,
    key: ReaderKey = None,
) -> Answer:
    """Write the chain to a folder that anyone can verify offline.

    Blocks, certificates, genesis and, with an operator's --key, blobs: everything is verified before it is written.
    """
    origin = Origin(node=node, folder=None, genesis=genesis, key=key)
    with open_source(origin) as source:
        found = export_chain(source, target, trusted=origin.trusted(), with_blobs=key is not None)
    warnings = []
    if found.missing:
        warnings.append(
            f"recorded blobs that are not to be had: {', '.join(found.missing)}; `quorate verify` says whether a model "
            "needs one"
        )
    if key is None:
        warnings.append("no --key was given: blobs are left out, and models cannot be recomputed from this export")
    return Answer(
        data={
            "folder": str(target),
            "chain_id": found.chain_id,
            "height": found.height,
            "blobs": found.blobs,
            "missing": list(found.missing),
        },
        shown=[
            Fields(
                pairs=[
                    ("folder", target),
                    ("chain id", found.chain_id),
                    ("blocks", f"{found.height:,}"),
                    ("blobs", f"{found.blobs:,}"),
                ]
            )
        ],
        warnings=warnings,
        next=f"quorate verify --from {target}" + ("" if key is not None else " --no-replay"),
    )


app = verb(export, "export exported --key alpha/keys/operator.key --genesis genesis.json")
