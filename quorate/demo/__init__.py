"""`quorate demo`: the whole product on one machine, in a minute.

Four validators as processes, six hospitals with real patients, an attacker, an absentee, a crash, and an auditor.
`story` tells it in order; `hospitals` has the data and the model, `training_day` the rounds, `audit` the end.
"""

import signal
from pathlib import Path
from typing import Annotated

import typer

from ledger.errors import ConfigurationError
from quorate.commands.base import verb


def demo(
    keep: Annotated[
        Path | None, typer.Option(help="Leave the network running and everything in this new folder.")
    ] = None,
) -> int:
    """Run a consortium of four validators and six hospitals: train, attack, crash, recover, audit.

    Trains on scikit-learn's breast cancer data. Exit code 0 only if everything that it claims has held.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # nothing runs yet, and an interrupted import breaks libraries
    try:
        from quorate.demo.story import tell  # noqa: PLC0415 - torch and scikit-learn, only where the demo runs
    except ModuleNotFoundError as error:
        if not (error.name or "").startswith("sklearn"):
            raise
        raise ConfigurationError(
            "scikit-learn, whose data the demo trains on", expected="pip install 'quorate[demo]'", got="not installed"
        ) from error
    return tell(keep)


app = verb(demo, "demo", "demo --keep trial")
