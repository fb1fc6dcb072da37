"""From a task file to a registered task: its two blobs first, then the registration that names them."""

from pathlib import Path
from typing import Any

from aggregation.layouts import LAYOUT_BYTES_MAX, decode_layout
from aggregation.model_file import model_facts
from ledger.hashing import sha256
from ledger.quantities import ParticipantId
from ledger.tasks import TaskSpec
from participant.node import Request
from participant.operator import Operator
from participant.receipts import Receipt
from quorate.files import read_file
from quorate.node_source import NodeSource
from quorate.reading import well_formed
from quorate.task_file import read_task_file, task_spec


def register(file: Path, *, operator_key: Path, genesis: Path, node: str) -> tuple[TaskSpec, Receipt]:
    """Register the task of a file and return its verified receipt.

    Raises ConfigurationError, InputError for files that are wrong, before anything is sent; NodeFault, NoNodeAnswered.
    """
    wanted = read_task_file(file)
    layout_data = read_file(file.parent / wanted.layout, bytes_max=LAYOUT_BYTES_MAX)
    model_data = read_file(file.parent / wanted.initial_model)
    layout = decode_layout(layout_data)
    model_facts(model_data, layout)
    spec = task_spec(wanted, layout=layout.digest, initial_model=sha256(model_data), participants=_participants(node))
    with Operator(nodes=[node], genesis=genesis, key=operator_key) as operator:
        operator.upload_blob(layout_data)
        operator.upload_blob(model_data, layout=layout.digest)
        return spec, operator.register_task(spec)


def _participants(node: str) -> dict[str, ParticipantId]:
    """Return registry numbers by organisation/name, on the node's word: a wrong one would name somebody else."""
    with NodeSource(node, key=None) as source, well_formed(node):
        found = source.node.json(Request(method="GET", path="/v1/participants"), dict[str, list[dict[str, Any]]])
        return {f"{it['organisation']}/{it['name']}": ParticipantId(it["participant"]) for it in found["participants"]}
