"""The worker process: a real one, with real files, killed for real."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from aggregation.blob_kinds import facts_of
from aggregation.errors import UnknownBlob, ValueOutOfRange
from aggregation.layouts import TensorTraits, infer_layout
from aggregation.model_file import import_model, write_view
from aggregation.update_file import encode_update
from ledger.blobs import LayoutFacts, ModelFacts, UpdateFacts
from ledger.encoding import encode
from ledger.errors import InputError
from ledger.hashing import sha256
from node.errors import WorkerFailed
from node.runtime.workers import Worker, refused
from node.worker import refusal_of
from node.worker_protocol import LENGTH, Call, FactsRequest

LAYOUT = infer_layout({"w": TensorTraits(shape=(3,), is_float=True, is_buffer=False)})


def write(folder: Path, name: str, data: bytes) -> str:
    (folder / name).write_bytes(data)
    return str(folder / name)


def request(folder: Path, data: bytes, *, layout: bool = True) -> FactsRequest:
    return FactsRequest(
        path=write(folder, "blob", data),
        layout_path=write(folder, "layout", encode(LAYOUT)) if layout else "",
        view_path=str(folder / "view"),
    )


async def facts(folder: Path, data: bytes, *, layout: bool = True) -> object:
    worker = Worker(seconds_max=60)
    try:
        return (await worker.facts(request(folder, data, layout=layout))).facts
    finally:
        await worker.close()


def test_facts_of_a_layout(tmp_path: Path) -> None:
    found = asyncio.run(facts(tmp_path, encode(LAYOUT), layout=False))
    assert isinstance(found, LayoutFacts)
    assert found.weight_elements == 3


def test_facts_of_an_update(tmp_path: Path) -> None:
    row = {"w": np.array([3, 4, 0], np.int32)}
    found = asyncio.run(facts(tmp_path, encode_update(LAYOUT, row)))
    assert isinstance(found, UpdateFacts)
    assert int.from_bytes(found.norm_squared, "big") == 25 * 4 ** (30 - 20)


def test_facts_of_a_model_come_with_its_view(tmp_path: Path) -> None:
    model = import_model(LAYOUT, {"w": np.array([1, -2, 0.5], np.float32)})
    found = asyncio.run(facts(tmp_path, model))
    assert isinstance(found, ModelFacts)
    view = (tmp_path / "view").read_bytes()
    assert sha256(view) == found.view
    parts: list[bytes] = []
    write_view(model, LAYOUT, parts.append)
    assert view == b"".join(parts)


def test_a_refusal_arrives_as_the_error_it_was(tmp_path: Path) -> None:
    with pytest.raises(UnknownBlob, match="expected a layout, report, update or model") as refusal:
        asyncio.run(facts(tmp_path, b"nothing known", layout=False))
    with pytest.raises(UnknownBlob) as here:
        facts_of(b"nothing known", None)
    for part in ("what", "expected", "got"):
        assert getattr(refusal.value, part) == str(getattr(here.value, part))


def test_a_refusal_repeats_no_megabytes_of_what_it_refuses() -> None:
    huge = refusal_of(InputError("w" * 2**20, expected="e" * 2**20, got=b"g" * 2**20))
    assert len(encode(huge)) < 5_000
    assert len(str(refused(huge))) < 5_000
    bare = refused(refusal_of(InputError("no more than this")))
    assert (bare.what, bare.expected, bare.got) == ("no more than this", None, None)


def test_values_out_of_range_are_refused(tmp_path: Path) -> None:
    data = bytearray(encode_update(LAYOUT, {"w": np.array([1, 2, 3], np.int32)}))
    data[-4:] = (2**22 + 1).to_bytes(4, "little")
    with pytest.raises(ValueOutOfRange, match="4194304"):
        asyncio.run(facts(tmp_path, bytes(data)))


def test_a_killed_worker_fails_one_request_and_is_replaced(tmp_path: Path) -> None:
    async def scenario() -> None:
        worker = Worker(seconds_max=60)
        asked = request(tmp_path, encode(LAYOUT), layout=False)
        await worker.facts(asked)
        assert worker.pid is not None
        os.kill(worker.pid, signal.SIGKILL)
        with pytest.raises(WorkerFailed):
            await worker.facts(asked)
        assert isinstance((await worker.facts(asked)).facts, LayoutFacts)
        await worker.close()

    asyncio.run(scenario())


def test_a_worker_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    async def scenario() -> None:
        worker = Worker(seconds_max=60)
        asked = request(tmp_path, encode(LAYOUT), layout=False)
        await worker.facts(asked)
        assert worker.pid is not None
        os.kill(worker.pid, signal.SIGSTOP)
        worker.seconds_max = 0.05
        with pytest.raises(WorkerFailed, match=r"within 0\.05 s"):
            await worker.facts(asked)
        worker.seconds_max = 60
        assert isinstance((await worker.facts(asked)).facts, LayoutFacts)
        await worker.close()

    asyncio.run(scenario())


def test_the_process_ends_when_its_node_does() -> None:
    process = subprocess.Popen([sys.executable, "-I", "-m", "node.worker"], stdin=subprocess.PIPE)
    assert process.stdin is not None
    process.stdin.close()
    assert process.wait(timeout=120) == 0


def test_a_worker_whose_node_is_gone_ends_quietly(tmp_path: Path) -> None:
    data = encode(Call(request=request(tmp_path, b"nothing known", layout=False)))
    readable, writable = os.pipe()
    with subprocess.Popen(
        [sys.executable, "-I", "-m", "node.worker"], stdin=subprocess.PIPE, stdout=writable, stderr=subprocess.PIPE
    ) as process:
        os.close(writable)
        os.close(readable)  # the node is gone before the answer comes
        _, errors = process.communicate(LENGTH.pack(len(data)) + data)
    assert (process.returncode, errors) == (0, b"")


def test_ctrl_c_at_a_terminal_does_not_reach_the_worker(tmp_path: Path) -> None:
    async def scenario() -> None:
        worker = Worker(seconds_max=60)
        await worker.facts(request(tmp_path, encode(LAYOUT), layout=False))
        assert worker.pid is not None
        assert os.getpgid(worker.pid) != os.getpgrp()
        await worker.close()

    asyncio.run(scenario())


def test_the_voting_process_imports_neither_numpy_nor_torch() -> None:
    check = "import sys, node.runtime.node; sys.exit(bool({'numpy', 'torch'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0
