"""`quorate verify [ID | TASK@VERSION]`."""

from typing import Annotated

import typer

from quorate.commands.base import Folder, GenesisFile, Node, ReaderKey, verb
from quorate.environment import NODE_DEFAULT
from quorate.output import Answer
from quorate.pages import transaction_page, verdict_page
from quorate.parsing import parse_digest, parse_model
from quorate.reading import Origin, open_source, open_view
from quorate.verdicts import EXIT_CODES, Outcome, Request, Verdict, verify
from quorate.views import unpinned

DIGEST_DIGITS = 64


def verify_(
    subject: Annotated[
        str | None,
        typer.Argument(
            metavar="[ID | TASK[@VERSION]]", help="A transaction or a global model; everything if left out."
        ),
    ] = None,
    replay: Annotated[bool, typer.Option(help="Recompute global models from their inputs, bit for bit.")] = True,  # noqa: FBT002 - typer's way
    node: Node = NODE_DEFAULT,
    folder: Folder = None,
    genesis: GenesisFile = None,
    key: ReaderKey = None,
) -> Answer:
    """Verify a transaction, a global model or the whole chain, from its genesis on.

    Exit code 0: verified. 1: tampered with. 3: something that is needed is missing. With --from no socket is opened.
    """
    origin = Origin(node=node, folder=folder, genesis=genesis, key=key)
    is_transaction = subject is not None and len(subject) == DIGEST_DIGITS and "@" not in subject
    if is_transaction and folder is None:
        assert subject is not None
        return _verify_entry(origin, subject)
    request = Request(
        trusted=origin.trusted(),
        replay=replay,
        model=None if subject is None or is_transaction else parse_model(subject),
        transaction=parse_digest(subject, "transaction id") if subject is not None and is_transaction else None,
    )
    with open_source(origin) as source:
        found = verify(source, request)
    is_unpinned = origin.genesis is None and "chain_id" in found.values
    shown = verdict_page(found)
    if "transaction" in found.values:
        shown = [*transaction_page(found.values["transaction"]), *shown]
    return Answer(
        data={
            "outcome": found.outcome,
            "steps": {step.title: count for step, count in found.report.passed.items()},
            "replayed": replay,
            **found.values,
        },
        shown=shown,
        errors=found.errors,
        warnings=(unpinned(found.values["chain_id"]),) if is_unpinned else (),
        exit_code=EXIT_CODES[found.outcome],
        next=_next(found) + origin.options if found.outcome is Outcome.VERIFIED else "",
    )


def _next(found: Verdict) -> str:
    if "transaction" in found.values:
        return f"quorate block {found.values['transaction']['height']}"
    models = found.values["models"]
    return f"quorate lineage {models[-1]['task']}@{models[-1]['version']}" if models else "quorate blocks"


def _verify_entry(origin: Origin, subject: str) -> Answer:
    """Verify a transaction's entry by its proof alone, as a light client does."""
    identity = parse_digest(subject, "transaction id")
    with open_view(origin) as view:
        found = view.transaction(identity)
        final = found["status"] == "final"
        outcome = Outcome.VERIFIED if final else Outcome.UNDECIDED
        return Answer(
            data={"outcome": outcome, "transaction": dict(found)},
            shown=[*transaction_page(found), outcome.upper()],
            warnings=view.caveats,
            exit_code=EXIT_CODES[outcome],
            next=f"quorate block {found['height']}" if final else f"quorate tx {subject}",
        )


app = verb(
    verify_,
    "verify --from exported --genesis genesis.json",
    "verify cardio@3 --key alpha/keys/operator.key",
    "verify ID --genesis genesis.json",
)
