"""`quorate doctor`."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from quorate.commands.base import Node, verb
from quorate.environment import HOME_VARIABLE, NODE_DEFAULT
from quorate.output import Answer
from quorate.plain_text import Shown, Table


def doctor(
    home: Annotated[
        Path | None, typer.Option("--home", envvar=HOME_VARIABLE, help="Folder of this host's node, to look into.")
    ] = None,
    node: Node = NODE_DEFAULT,
    bundle: Annotated[
        Path | None, typer.Option("--bundle", help="Also write a tar file for whoever helps: no keys, no blobs.")
    ] = None,
) -> Answer:
    """Check a validator from its host: settings, keys, disk, clock, peers.

    Nothing is changed. Exit code 1 if a check fails; warnings alone are 0.
    """
    from quorate.doctor import Verdict, examine  # noqa: PLC0415 - httpx, only where somebody is asked
    from quorate.doctor_bundle import write_bundle  # noqa: PLC0415

    findings = examine(home, node)
    shown: list[Shown] = [
        Table(columns=("check", "verdict", "found"), rows=[(it.check, it.verdict.value, it.found) for it in findings])
    ]
    advised = [f"{it.check}: {it.advice}" for it in findings if it.advice]
    shown += ["What to do:", *advised] if advised else []
    if bundle is not None:
        shown.append(f"bundle {bundle}: {', '.join(write_bundle(bundle, home, findings))}")
    failed = any(it.verdict is Verdict.FAIL for it in findings)
    return Answer(
        data=[asdict(it) for it in findings],
        shown=shown,
        exit_code=1 if failed else 0,
        next="quorate status --all",
    )


app = verb(doctor, "doctor --home alpha", "doctor --home alpha --bundle support.tar")
