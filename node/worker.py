"""The worker process: everything that touches tensors, away from the process that votes.

`python -m node.worker` reads requests from stdin and writes answers to stdout, one at a time, each as a length and
canonical MessagePack; it ends when stdin does, so it never outlives its node. Paths come from the node that started it;
it opens them, maps them and never writes anywhere but to the files it is told to.
"""

import mmap
import os
import sys
from pathlib import Path
from typing import BinaryIO

from aggregation.aggregate import Input, Recipe, aggregate
from aggregation.blob_kinds import facts_of
from aggregation.layouts import LAYOUT_BYTES_MAX, decode_layout
from aggregation.model_file import write_view
from ledger.blobs import ModelFacts
from ledger.encoding import decode, encode
from ledger.errors import PART_CHARACTERS_MAX, QuorateError
from ledger.tasks import Layout
from node.storage.snapshot_cutting import cut_state
from node.worker_protocol import (
    LENGTH,
    MESSAGE_BYTES_MAX,
    AggregateAnswer,
    AggregateRequest,
    Answer,
    Call,
    CutAnswer,
    CutRequest,
    FactsAnswer,
    FactsRequest,
    Refusal,
    Reply,
    Request,
)

NICE = 10
"""Added at each snapshot to how readily this process lets others go first."""


def main() -> None:
    """Serve requests until stdin ends."""
    requests, answers = sys.stdin.buffer, sys.stdout.buffer
    try:
        while (call := read_message(requests)) is not None:
            reply = encode(Reply(answer=handle(decode(call, Call).request)))
            answers.write(LENGTH.pack(len(reply)) + reply)
            answers.flush()
    except BrokenPipeError:
        # The node is gone: nobody waits for the answer, which the interpreter would try to write once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def read_message(stream: BinaryIO) -> bytes | None:
    """Return the next message, or None at the end of the stream."""
    head = stream.read(LENGTH.size)
    if len(head) < LENGTH.size:
        return None
    (size,) = LENGTH.unpack(head)
    assert size <= MESSAGE_BYTES_MAX
    return stream.read(size)


def handle(request: Request) -> Answer:
    """Carry out a request; what the error tree names becomes a Refusal, anything else ends the process."""
    try:
        match request:
            case FactsRequest():
                return _facts(request)
            case AggregateRequest():
                return _aggregate(request)
            case CutRequest():
                return _cut(request)
    except QuorateError as error:
        return refusal_of(error)


def refusal_of(error: QuorateError) -> Refusal:
    """Return an error as it goes to the node, where `node.runtime.workers.refused` makes it one again."""
    expected, got = (None if part is None else _brief(part) for part in (error.expected, error.got))
    return Refusal(code=error.code, what=_brief(error.what), expected=expected, got=got)


def _brief(part: object) -> str:
    # One character more than an error shows, so that the error shows that there was more.
    return str(part)[: PART_CHARACTERS_MAX + 1]


def _facts(request: FactsRequest) -> FactsAnswer:
    buffer = _map(request.path)
    layout = _layout(request.layout_path) if request.layout_path else None
    facts = facts_of(buffer, layout)
    if isinstance(facts, ModelFacts) and request.view_path:
        assert layout is not None
        with _new_file(request.view_path) as file:
            write_view(buffer, layout, file.write)
    return FactsAnswer(facts=facts)


def _aggregate(request: AggregateRequest) -> AggregateAnswer:
    recipe = Recipe(
        task=request.task,
        round=request.round,
        layout=_layout(request.layout_path),
        base=request.base,
        base_buffer=_map(request.base_path),
        inputs=[
            Input(participant=item.participant, weight=item.weight, blob=item.blob, buffer=_map(item.path))
            for item in request.inputs
        ],
    )
    with _new_file(request.model_path) as model:
        outcome = aggregate(recipe, model.write)
    Path(request.report_path).write_bytes(outcome.report)
    return AggregateAnswer(
        model=outcome.model,
        view=outcome.model_facts.view,
        server_state=outcome.server_state,
        report=outcome.report_digest,
    )


def _cut(request: CutRequest) -> CutAnswer:
    os.nice(NICE)  # what votes needs the cores first
    return CutAnswer(ranges=tuple(cut_state(Path(request.source_path), Path(request.folder_path), request.state_root)))


def _layout(path: str) -> Layout:
    with Path(path).open("rb") as file:
        return decode_layout(file.read(LAYOUT_BYTES_MAX + 1))


def _map(path: str) -> memoryview:
    """Map a file read-only, so that only what is being read is in memory; unmapped once nothing refers to it."""
    with Path(path).open("rb") as file:
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


def _new_file(path: str) -> BinaryIO:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


if __name__ == "__main__":
    main()
