"""`quorate config check`."""

import os

from node.config import load
from node.home import Home as NodeHome
from quorate.commands.base import Home, example, noun
from quorate.output import Answer
from quorate.plain_text import Table

app = noun("Check a node's settings.")


@app.command("check", epilog=example("config check --home alpha"))
def check(home: Home) -> Answer:
    """Show each setting with its value and its origin.

    A file, an environment variable, or the default; a setting that is wrong or unknown is an error.
    """
    rows = list(load(NodeHome(home).configuration, environment=os.environ).rows())
    return Answer(
        data=[{"name": name, "value": value, "origin": origin} for name, value, origin in rows],
        shown=[
            Table(columns=("setting", "value", "origin"), rows=[(name, value, origin) for name, value, origin in rows])
        ],
        next=f"quorate node start --home {home}",
    )
