"""`quorate organisation init`."""

from typing import Annotated

import typer

from node.home import Home as NodeHome
from node.home import create_member
from quorate.commands.base import Home, example, noun
from quorate.output import Answer
from quorate.parsing import parse_name
from quorate.plain_text import Fields

app = noun("Set up a member that only trains.")


@app.command("init", epilog=example("organisation init --home clinic --name clinic"))
def init(home: Home, name: Annotated[str, typer.Option(help="Name of the organisation.")]) -> Answer:
    """Make operator key and descriptor of a member that only trains."""
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
