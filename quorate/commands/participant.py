"""`quorate participant enrol`."""

from pathlib import Path
from typing import Annotated

import typer

from ledger.keys import PublicKey
from node.keystore import KeyPurpose, load_key
from participant.operator import Operator
from quorate.commands.base import Node, RequiredGenesis, example, noun
from quorate.environment import NODE_DEFAULT, options
from quorate.errors import UsageError
from quorate.output import Answer
from quorate.parsing import parse_digest, parse_name
from quorate.receipt_page import receipt_answer

app = noun("Enrol a training site.")


@app.command(
    "enrol", epilog=example("participant enrol --operator-key alpha/keys/operator.key --name site --key site.key")
)
def enrol(
    operator_key: Annotated[Path, typer.Option(help="Key file of the organisation's operator.")],
    name: Annotated[str, typer.Option(help="Name of the training site within its organisation.")],
    genesis: RequiredGenesis,
    public: Annotated[str | None, typer.Option(help="Public key of the site, 64 hexadecimal digits.")] = None,
    key: Annotated[Path | None, typer.Option(help="Key file of the site, if it is on this host.")] = None,
    node: Node = NODE_DEFAULT,
) -> Answer:
    """Add a training site to the registry, which numbers it.

    Exit code 1 if the contract refuses it.
    """
    site = _public_key(public, key)
    with Operator(nodes=[node], genesis=genesis, key=operator_key) as operator:
        receipt = operator.enrol(parse_name(name, "name of a training site"), site)
        values = {"organisation": operator.organisation, "name": name, "public": site.hex()}
    if receipt.accepted:
        values["participant"] = str(receipt.values[0])
    following = "quorate task init --from-model FILE.safetensors --out FOLDER"
    return receipt_answer(receipt, values, following=following, options=options(node=node, genesis=genesis))


def _public_key(public: str | None, key: Path | None) -> PublicKey:
    if (public is None) == (key is None):
        raise UsageError("key of the site", expected="either --public or --key", got="both" if public else "none")
    if key is not None:
        return load_key(key, KeyPurpose.PARTICIPANT).public
    assert public is not None
    return PublicKey(parse_digest(public, "public key"))
