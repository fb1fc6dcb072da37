"""`quorate evidence`."""

from quorate.commands.base import Folder, GenesisFile, Node, verb
from quorate.environment import NODE_DEFAULT
from quorate.output import Answer
from quorate.pages import offences_page
from quorate.reading import Origin, open_view


def evidence(
    node: Node = NODE_DEFAULT,
    folder: Folder = None,
    genesis: GenesisFile = None,
) -> Answer:
    """List the validators that are proven to have contradicted themselves, and how.

    The two signatures are in the transaction: `quorate tx ID` shows where it stands. What follows from it is the
    members' decision; the chain removes nobody by itself.
    """
    origin = Origin(node=node, folder=folder, genesis=genesis)
    with open_view(origin) as view:
        found = view.offences()
        following = f"tx {found[0]['transaction']}" if found else "blocks"
        return Answer(
            data=found, shown=offences_page(found), warnings=view.caveats, next=f"quorate {following}{origin.options}"
        )


app = verb(evidence, "evidence", "evidence --from chain --format json")
