"""`quorate validator list`, `register`, `propose`, `rotate`, `approve`, `show` and `submit`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from ledger.errors import ConfigurationError
from ledger.genesis import Genesis
from ledger.keyfile import KeyPurpose
from ledger.membership import AddValidator, Change, DropLearner, RemoveValidator, ReplaceValidator
from ledger.quantities import Era, ValidatorId
from ledger.rendering import plain
from ledger.transactions import ChangeValidators
from node.home import Home as NodeHome
from node.keystore import load_key
from quorate.commands.base import Home, Node, RequiredGenesis, example, noun
from quorate.environment import NODE_DEFAULT, options
from quorate.errors import UsageError
from quorate.files import write_new_file
from quorate.output import Answer
from quorate.plain_text import Fields, Table
from quorate.words import change as in_words
from quorate.words import short

app = noun("Change who validates: learners, new validators, removals, other keys.")

EraOption = Annotated[int, typer.Option(min=0, help="Era that it is for, as `quorate validator list` shows it.")]
Out = Annotated[Path, typer.Option(help="Change file to write; never overwritten.")]
ChangeFile = Annotated[Path, typer.Argument(help="A change file.")]
OperatorKey = Annotated[Path, typer.Option(help="Key file of an organisation's operator.")]
Number = Annotated[int | None, typer.Option(min=0, help="Number of a validator or learner.")]


@app.command("list", epilog=example("validator list --node http://127.0.0.1:7451"))
def list_(node: Node = NODE_DEFAULT) -> Answer:
    """Show the validators of the current era, on a node's word."""
    from participant.node import Request  # noqa: PLC0415 - httpx, only where it is needed
    from quorate.node_source import NodeSource  # noqa: PLC0415
    from quorate.reading import well_formed  # noqa: PLC0415

    with NodeSource(node, key=None) as source, well_formed(node):
        found = source.node.json(Request(method="GET", path="/v1/validators"), dict[str, Any])
        rows = [
            (it["id"], it["organisation"], short(it["vote_key"]), it["link_address"] or "-", it["rest_url"] or "-")
            for it in found["validators"]
        ]
        return Answer(
            data=found,
            shown=[
                Fields(
                    pairs=[
                        ("era", f"{found['era']}, from block {found['first_height']} on"),
                        ("quorum", f"{found['quorum']} of {len(rows)}"),
                    ]
                ),
                Table(columns=("validator", "organisation", "vote key", "links", "callers"), rows=rows),
            ],
            next=f"quorate validator propose --add LEARNER --era {found['era']} --out change.json",
        )


@app.command("register", epilog=example("validator register --home delta --era 0 --genesis genesis.json"))
def register(
    home: Home,
    era: EraOption,
    genesis: RequiredGenesis,
    out: Out = Path("change.json"),
    joins: Annotated[bool, typer.Option(help="Its organisation is no member yet and joins by this.")] = False,  # noqa: FBT002
) -> Answer:
    """Write the change that registers a node as a learner.

    Its own operator approves it; where the organisation joins, those of organisations that run a quorum do.
    """
    from quorate.membership import registration  # noqa: PLC0415 - httpx, only where it is needed

    chain = _genesis(genesis)
    return _write(out, registration(NodeHome(home), chain, Era(era), joins=joins), chain)


@app.command("propose", epilog=example("validator propose --add 4 --era 0", "validator propose --remove 2 --era 1"))
def propose(
    era: EraOption,
    genesis: RequiredGenesis,
    out: Out = Path("change.json"),
    add: Number = None,
    remove: Number = None,
    drop: Number = None,
) -> Answer:
    """Write a change: who is to vote, or to leave.

    --add makes a learner a validator, --remove takes a validator out, --drop ends a learner. With both --add and
    --remove, one takes the place of the other.
    """
    from quorate.membership import proposed  # noqa: PLC0415

    chain = _genesis(genesis)
    return _write(out, proposed(_change(add, remove, drop), Era(era)), chain)


@app.command("rotate", epilog=example("validator rotate --home beta --validator 1 --era 0 --genesis genesis.json"))
def rotate(
    home: Home,
    validator: Annotated[int, typer.Option(min=0, help="Number of this home's validator.")],
    era: EraOption,
    genesis: RequiredGenesis,
    out: Out = Path("change.json"),
    vote_key_only: Annotated[bool, typer.Option(help="Keep all other keys: after a vote log was lost.")] = False,  # noqa: FBT002
) -> Answer:
    """Make new keys, and write the change to them.

    They lie beside the present ones until they are in force. Its own operator's approval is enough. The node changes
    over by itself once the chain has the new keys.
    """
    from quorate.membership import rotation  # noqa: PLC0415

    chain = _genesis(genesis)
    body = rotation(NodeHome(home), chain, Era(era), validator=ValidatorId(validator), vote_key_only=vote_key_only)
    return _write(out, body, chain)


@app.command("approve", epilog=example("validator approve change.json --operator-key alpha/keys/operator.key"))
def approve(file: ChangeFile, operator_key: OperatorKey, genesis: RequiredGenesis) -> Answer:
    """Add an operator's approval to a change file; needs no node."""
    from quorate.membership import change_file, read_change, with_approval  # noqa: PLC0415

    chain = _genesis(genesis)
    body = with_approval(read_change(file, chain), load_key(operator_key, KeyPurpose.OPERATOR), chain.chain_id)
    fresh = file.with_name(file.name + ".new")
    write_new_file(fresh, change_file(body, chain))
    fresh.replace(file)
    return _answer(file, body)


@app.command("show", epilog=example("validator show change.json --genesis genesis.json"))
def show(file: ChangeFile, genesis: RequiredGenesis) -> Answer:
    """Show what a change file would do, and who has approved it."""
    from quorate.membership import read_change  # noqa: PLC0415

    return _answer(file, read_change(file, _genesis(genesis)))


@app.command("submit", epilog=example("validator submit change.json --operator-key alpha/keys/operator.key"))
def submit(
    file: ChangeFile,
    operator_key: OperatorKey,
    genesis: RequiredGenesis,
    node: Node = NODE_DEFAULT,
) -> Answer:
    """Submit a change file; any operator may.

    Exit code 1 if the contract refuses it.
    """
    from quorate.membership import read_change, submit_change  # noqa: PLC0415
    from quorate.receipt_page import receipt_answer  # noqa: PLC0415

    chain = _genesis(genesis)
    body = read_change(file, chain)
    receipt = submit_change(body, node=node, genesis=chain, key=load_key(operator_key, KeyPurpose.OPERATOR))
    values: dict[str, str | int] = {"change": in_words(_record(body))}
    if receipt.accepted:
        values["number"] = receipt.values[0]
    following = f"quorate validator list --node {node}"
    return receipt_answer(receipt, values, following=following, options=options(node=node, genesis=genesis))


def _genesis(file: Path) -> Genesis:
    from participant.session import read_genesis  # noqa: PLC0415

    return read_genesis(file)


def _change(add: int | None, remove: int | None, drop: int | None) -> Change:
    match (add, remove, drop):
        case (int(learner), None, None):
            return AddValidator(learner=ValidatorId(learner))
        case (None, int(validator), None):
            return RemoveValidator(validator=ValidatorId(validator))
        case (int(learner), int(validator), None):
            return ReplaceValidator(validator=ValidatorId(validator), learner=ValidatorId(learner))
        case (None, None, int(learner)):
            return DropLearner(learner=ValidatorId(learner))
        case _:
            raise UsageError(
                "what to change", expected="--add, --remove, both of them, or --drop", got="another choice"
            )


def _write(out: Path, body: ChangeValidators, genesis: Genesis) -> Answer:
    from quorate.membership import change_file  # noqa: PLC0415

    write_new_file(out, change_file(body, genesis))
    return _answer(out, body)


def _record(body: ChangeValidators) -> dict[str, Any]:
    found = plain(body.change)
    if not isinstance(found, dict):
        raise ConfigurationError("change", expected="one of membership", got=type(body.change).__name__)
    return found


def _answer(file: Path, body: ChangeValidators) -> Answer:
    keys = [approval.key.hex() for approval in body.approvals]
    return Answer(
        data={"file": str(file), "era": body.era, "change": _record(body), "approvals": keys},
        shown=[
            Fields(
                pairs=[
                    ("file", file),
                    ("change", in_words(_record(body))),
                    ("era", body.era),
                    ("approved by", ", ".join(short(key) for key in keys) or "nobody yet"),
                ]
            )
        ],
        next=f"quorate validator approve {file} --operator-key OPERATOR.key",
    )
