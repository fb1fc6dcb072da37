"""`quorate protocol propose`, `approve` and `submit`."""

from pathlib import Path
from typing import Annotated

import typer

from ledger.genesis import GENESIS_BYTES_MAX, Genesis
from ledger.quantities import Height
from ledger.transactions import ActivateProtocol
from node.keystore import KeyPurpose, load_key
from quorate.commands.base import Node, RequiredGenesis, example, noun
from quorate.environment import NODE_DEFAULT, options
from quorate.files import read_file, write_new_file
from quorate.output import Answer
from quorate.plain_text import Fields

app = noun("Decide from which block on a new version of all rules holds.")

DecisionFile = Annotated[Path, typer.Argument(help="File of the decision.")]
OperatorKey = Annotated[Path, typer.Option(help="Key file of an organisation's operator.")]


@app.command("propose", epilog=example("protocol propose --version 2 --height 120000 --serial 1 --out decision.json"))
def propose(
    version: Annotated[int, typer.Option(min=1, help="The next version; the current one calls a decision off.")],
    height: Annotated[int, typer.Option(min=1, help="First block of the version.")],
    serial: Annotated[int, typer.Option(min=1, help="Number of the decision on this chain, from 1.")],
    genesis: RequiredGenesis,
    out: Annotated[Path, typer.Option(help="File to write; never overwritten.")] = Path("decision.json"),
) -> Answer:
    """Write a decision for the operators to approve.

    See first that every validator runs a release that knows the version: `quorate version --all`.
    """
    from quorate.protocol_decision import decision_file  # noqa: PLC0415 - the SDK, only where it is used

    body = ActivateProtocol(serial=serial, version=version, height=Height(height), approvals=())
    write_new_file(out, decision_file(body, _genesis(genesis)))
    return _answer(out, body)


@app.command("approve", epilog=example("protocol approve decision.json --operator-key alpha/keys/operator.key"))
def approve(file: DecisionFile, operator_key: OperatorKey, genesis: RequiredGenesis) -> Answer:
    """Add an operator's approval; needs no node.

    Whoever approves has installed a release that knows the version.
    """
    from quorate.protocol_decision import decision_file, read_decision, with_approval  # noqa: PLC0415

    chain = _genesis(genesis)
    body = with_approval(read_decision(file, chain), load_key(operator_key, KeyPurpose.OPERATOR), chain)
    fresh = file.with_name(file.name + ".new")
    write_new_file(fresh, decision_file(body, chain))
    fresh.replace(file)
    return _answer(file, body)


@app.command("submit", epilog=example("protocol submit decision.json --operator-key alpha/keys/operator.key"))
def submit(
    file: DecisionFile, operator_key: OperatorKey, genesis: RequiredGenesis, node: Node = NODE_DEFAULT
) -> Answer:
    """Submit a decision; any operator may.

    Exit code 1 if the contract refuses it.
    """
    from quorate.protocol_decision import read_decision, submit_decision  # noqa: PLC0415
    from quorate.receipt_page import receipt_answer  # noqa: PLC0415

    chain = _genesis(genesis)
    body = read_decision(file, chain)
    receipt = submit_decision(body, node=node, genesis=chain, key=load_key(operator_key, KeyPurpose.OPERATOR))
    values: dict[str, str | int] = {"version": body.version, "first_height": body.height, "serial": body.serial}
    asked = options(node=node, genesis=None)
    return receipt_answer(receipt, values, following=f"quorate status --all{asked}", options=asked)


def _genesis(file: Path) -> Genesis:
    return Genesis(read_file(file, bytes_max=GENESIS_BYTES_MAX))


def _answer(file: Path, body: ActivateProtocol) -> Answer:
    keys = [approval.key.hex() for approval in body.approvals]
    return Answer(
        data={
            "file": str(file),
            "serial": body.serial,
            "version": body.version,
            "height": body.height,
            "approvals": keys,
        },
        shown=[
            Fields(
                pairs=[
                    ("file", file),
                    ("version", f"{body.version} from block {body.height:,} on"),
                    ("serial", body.serial),
                    ("approvals", len(keys)),
                ]
            )
        ],
        next=f"quorate protocol {'approve' if not keys else 'submit'} {file} --operator-key OPERATOR.key",
    )
