"""Nodes that are down, silent, unwell or forging: the next one is asked, and alone they are named."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from msgspec.structs import replace

from ledger.encoding import decode, encode
from participant import node as node_module
from participant.errors import (
    MalformedAnswer,
    NodeBehind,
    NodeFault,
    NodeLied,
    NodeUnreachable,
    NodeUnwell,
    NoNodeAnswered,
    SubmissionNotFinal,
)
from participant.memory import Submission
from tests.participant.proxy import Tamper, proxy
from tests.participant.served import Served, seeded_net, trained
from tests.participant.tampering import edited, flipped, inverted, matching, refusal, with_body


def take_part(served: Served, state: Path, nodes: list[str]) -> None:
    """Carry out a whole round over these nodes."""
    name = served.open_task()
    with served.consortium(0, state, nodes=nodes) as consortium:
        r = consortium.task(name).round()
        receipt = r.submit(trained(seeded_net()), 10)
        assert receipt.accepted, receipt.why()
        assert consortium.receipt(receipt.transaction) == receipt


def fault_of(served: Served, state: Path, url: str, task: str) -> NodeFault:
    """Return what is wrong with a node that is the only one: entering a round, it shows."""
    with served.consortium(0, state, nodes=[url], timeout=0.0) as consortium, pytest.raises(NoNodeAnswered) as caught:
        consortium.task(task).round(timeout=0.0)
    assert url in str(caught.value)
    return caught.value.faults[url]


FAULTS: dict[str, tuple[Tamper, type[NodeFault]]] = {
    "hangs up": (lambda _: None, NodeUnreachable),
    "speaks no HTTP": (lambda _: b"\x00\x01\x02\r\n\r\n", NodeUnreachable),
    "breaks off": (lambda _: b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{", NodeUnreachable),
    "is overloaded": (lambda exchange: refusal(exchange, 503, "overloaded"), NodeUnwell),
    "limits the rate": (lambda exchange: refusal(exchange, 429, "sender-queue-full"), NodeUnwell),
    "fails without words": (lambda _: b"HTTP/1.1 500 X\r\n\r\n<html>", NodeUnwell),
    "redirects": (lambda _: b"HTTP/1.1 307 X\r\nLocation: http://127.0.0.1:1/\r\n\r\n", MalformedAnswer),
    "answers no JSON": (lambda exchange: with_body(exchange, b"<html>"), MalformedAnswer),
    "answers other JSON": (lambda exchange: with_body(exchange, b'{"proof": 7}'), MalformedAnswer),
    "answers deep JSON": (lambda exchange: with_body(exchange, b'{"x":' + b"[" * 100_000), MalformedAnswer),
    "shows no proof": (matching("GET", "/v1/tasks/", lambda e: edited(e, proof="")), NodeLied),
    "forges a task": (matching("GET", "/v1/tasks/", flipped), NodeLied),
    "forges a round": (matching("GET", "/rounds/", flipped), NodeLied),
    "forges a model record": (matching("GET", "/models/", flipped), NodeLied),
    "forges a blob": (matching("GET", "/v1/blobs/", inverted), NodeLied),
    "cuts a blob short": (matching("GET", "/v1/blobs/", lambda e: with_body(e, e.body[:-1])), NodeLied),
    "stretches a blob": (matching("GET", "/v1/blobs/", lambda e: with_body(e, e.body + bytes(2**23))), MalformedAnswer),
    "hides blobs": (matching("GET", "/v1/blobs/", lambda e: refusal(e, 404, "blob-not-found")), NodeBehind),
    "hides rounds": (matching("GET", "/rounds/", lambda e: refusal(e, 404, "not-found")), NodeBehind),
}


FAULTS_AT_THE_END: dict[str, tuple[Tamper, type[NodeFault]]] = {
    "forges a receipt": (matching("GET", "/v1/transactions/", flipped), NodeLied),
    "denies finality": (matching("GET", "/v1/transactions/", lambda e: edited(e, status="pending")), NodeBehind),
    "never orders": (matching("POST", "/v1/transactions", lambda e: edited(e, status="pending")), NodeBehind),
}
"""What shows only once something was ordered."""


@pytest.mark.parametrize("fault", FAULTS)
def test_a_faulty_node_is_passed_over(served: Served, tmp_path: Path, task: str, fault: str) -> None:
    tamper, _ = FAULTS[fault]
    with (
        proxy(served.urls[0], tamper) as faulty,
        served.consortium(0, tmp_path, nodes=[faulty.url, served.urls[1]]) as consortium,
    ):
        assert consortium.task(task).round().number == 1
        assert faulty.seen


@pytest.mark.parametrize("fault", FAULTS)
def test_a_faulty_node_alone_is_named_with_its_fault(served: Served, tmp_path: Path, task: str, fault: str) -> None:
    tamper, expected = FAULTS[fault]
    with proxy(served.urls[0], tamper) as faulty:
        assert type(fault_of(served, tmp_path, faulty.url, task)) is expected


@pytest.mark.parametrize("fault", FAULTS_AT_THE_END)
def test_a_node_that_is_faulty_at_the_end_is_passed_over(served: Served, tmp_path: Path, fault: str) -> None:
    tamper, _ = FAULTS_AT_THE_END[fault]
    with proxy(served.urls[0], tamper) as faulty:
        take_part(served, tmp_path, [faulty.url, served.urls[1], served.urls[2]])


@pytest.mark.parametrize("fault", FAULTS_AT_THE_END)
def test_a_node_that_is_faulty_at_the_end_is_named_with_its_fault(served: Served, tmp_path: Path, fault: str) -> None:
    tamper, expected = FAULTS_AT_THE_END[fault]
    name = served.open_task()
    with served.consortium(0, tmp_path) as consortium:
        r = consortium.task(name).round()
        r.submit(r.global_model(), 10)
    unsettle(tmp_path)
    with proxy(served.urls[0], tamper) as faulty:
        with (
            served.consortium(0, tmp_path, nodes=[faulty.url], timeout=0.0) as consortium,
            pytest.raises(SubmissionNotFinal) as caught,
        ):
            consortium.task(name).resume()
        assert "is remembered" in caught.value.hint
        assert type(caught.value.faults[faulty.url]) is expected


def unsettle(state: Path) -> None:
    """Take the proof of the only submission away, as if the script had ended before it came."""
    (path,) = state.rglob("*.submission")
    path.write_bytes(encode(replace(decode(path.read_bytes(), Submission), proof=None)))


def test_a_node_that_is_down_is_passed_over(served: Served, tmp_path: Path, task: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as bound:
        port = bound.getsockname()[1]
    take_part(served, tmp_path, [f"http://127.0.0.1:{port}", served.urls[0]])
    assert type(fault_of(served, tmp_path, f"http://127.0.0.1:{port}", task)) is NodeUnreachable


def test_a_node_that_says_nothing_is_passed_over(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        name = served.open_task()
        monkeypatch.setattr(node_module, "SILENCE_SECONDS", 0.5)
        with (
            served.consortium(0, tmp_path, nodes=[url], timeout=0.0) as consortium,
            pytest.raises(NoNodeAnswered, match="ReadTimeout"),
        ):
            consortium.task(name).spec()
        monkeypatch.setattr(node_module, "SILENCE_SECONDS", 1.0)
        with served.consortium(0, tmp_path, nodes=[url, served.urls[0]]) as consortium:
            assert consortium.task(name).spec().name == name


def test_a_node_that_dribbles_is_passed_over(served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node_module, "SILENCE_SECONDS", 0.5)
    monkeypatch.setattr(node_module, "BYTES_PER_SECOND_MIN", 2**40)
    with (
        dribbling_node() as url,
        served.consortium(0, tmp_path, nodes=[url], timeout=0.0) as consortium,
        pytest.raises(NoNodeAnswered, match="expected one in time"),
    ):
        consortium.task("cardio").spec()


@contextmanager
def dribbling_node() -> Iterator[str]:
    """Run a node that answers one request, a blank every 50 ms, until the block ends."""
    ending = threading.Event()

    def dribble(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection, suppress(OSError):
            connection.recv(2**16)
            connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            while not ending.wait(0.05):
                connection.sendall(b" ")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=dribble, args=(listener,))
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        ending.set()
        thread.join()


def test_the_node_that_answered_last_is_asked_first(served: Served, tmp_path: Path) -> None:
    with proxy(served.urls[0], lambda _: None) as faulty:
        take_part(served, tmp_path, [faulty.url, served.urls[1]])
        assert len(faulty.seen) == 1


def test_the_node_to_ask_first_is_asked_first_until_it_fails(served: Served, tmp_path: Path, task: str) -> None:
    with proxy(served.urls[0]) as one, proxy(served.urls[1]) as two:
        urls = [one.url, two.url]
        with served.consortium(0, tmp_path, nodes=urls) as consortium, served.operator(nodes=urls) as operator:
            for way in (consortium, operator):
                way.ask_first(two.url)
            assert consortium.task(task).spec().name == task
            operator.upload_blob(served.prepared.layout_data)
            assert (one.seen, operator.node) == ([], two.url)
            two.tamper = lambda _: None
            assert consortium.task(task).spec().name == task
            assert consortium.node == one.url
