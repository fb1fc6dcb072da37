"""`quorate tx ID`."""

from typing import Annotated

import typer

from quorate.commands.base import Folder, GenesisFile, Node, verb
from quorate.environment import NODE_DEFAULT
from quorate.output import Answer
from quorate.pages import transaction_page
from quorate.parsing import parse_digest
from quorate.reading import Origin, open_view


def tx(
    identity: Annotated[str, typer.Argument(metavar="ID", help="Id of the transaction, 64 hexadecimal digits.")],
    node: Node = NODE_DEFAULT,
    folder: Folder = None,
    genesis: GenesisFile = None,
) -> Answer:
    """Show a transaction, where it stands and how it was judged; its proof is verified."""
    wanted = parse_digest(identity, "transaction id")
    origin = Origin(node=node, folder=folder, genesis=genesis)
    with open_view(origin, transaction=wanted) as view:
        found = view.transaction(wanted)
        final = found["status"] == "final"
        return Answer(
            data=dict(found),
            shown=transaction_page(found),
            warnings=view.caveats,
            next=(f"quorate block {found['height']}" if final else f"quorate tx {identity}") + origin.options,
        )


app = verb(tx, "tx ID --genesis genesis.json")
