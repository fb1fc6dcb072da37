"""`quorate demo`: the whole product on one machine, in a minute.

Four validators as processes, six hospitals with real patients, an attacker, an absentee, a crash, and an auditor.
`story` tells it in order; `hospitals` has the data and the model, `training_day` the rounds, `audit` the end.
"""

from pathlib import Path
from typing import Annotated

import typer

from quorate.commands.base import verb


def demo(
    keep: Annotated[
        Path | None, typer.Option(help="Leave the network running and everything in this new folder.")
    ] = None,
) -> int:
    """Run a consortium of four validators and six hospitals: train, attack, crash, recover, audit."""
    from quorate.demo.story import tell  # noqa: PLC0415 - torch and scikit-learn, only where the demo runs

    return tell(keep)


app = verb(demo)
