"""`quorate organisation init`."""

from typing import Annotated

import typer

from node.home import Home as NodeHome
from node.home import create_member
from quorate.commands.base import Home, noun
from quorate.output import Answer
from quorate.plain_text import Fields
from quorate.reading import parse_name

app = noun("Set up a member that only trains.")


@app.command("init")
def init(home: Home, name: Annotated[str, typer.Option(help="Name of the organisation.")]) -> Answer:
    """Make the operator key of a member without a validator, and its descriptor."""
    place = NodeHome(home)
    descriptor = create_member(place, organisation=parse_name(name, "name of an organisation"))
    return Answer(
        data={"organisation": name, "descriptor": str(place.descriptor), "operator_key": descriptor.operator_key},
        shown=[
            Fields(
                pairs=[
                    ("organisation", name),
                    ("descriptor", place.descriptor),
                    ("operator key", descriptor.operator_key),
                ]
            )
        ],
        next=f"quorate genesis assemble {place.descriptor} OTHERS... --chain NAME",
    )
