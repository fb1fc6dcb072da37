"""Several transactions in one request: each is judged by itself, in the order of the request."""

import asyncio
import itertools
import sys
from collections.abc import Awaitable, Sized
from typing import TypeVar

import httpx
import pytest
from msgspec import structs
from starlette.requests import Request

from ledger.encoding import decode, encode
from ledger.hashing import Digest
from ledger.keys import SigningKey
from ledger.parameters import TRANSACTION_BYTES_MAX
from ledger.transactions import EnrolParticipant, SignedTransaction
from node.rest import answers, bodies, record_schemas, submissions
from node.rest.media import MSGPACK
from node.rest.submissions import STRIDE, SUBMISSIONS_BYTES_MAX, SUBMISSIONS_MAX, Submissions
from node.runtime.api import Final
from tests.consortium import signing_key
from tests.network import signed
from tests.node.rest.served import Served, checked, refused, stall

T = TypeVar("T")


def enrolment(served: Served, name: str, *, key: SigningKey | None = None) -> bytes:
    """Return a transaction that enrols a site of this name, which no other test enrols."""
    body = EnrolParticipant(organisation="org-0", name=f"together-{name}", key=signing_key(f"together-{name}").public)
    return encode(signed(key or served.network.operator(0), body, served.network.genesis, valid_until=5_000))


def post(caller: httpx.Client, content: bytes, **query: int) -> httpx.Response:
    return caller.post("/v1/submissions", content=content, headers={"Content-Type": MSGPACK}, params=query)


def together(*raws: bytes) -> bytes:
    return encode(Submissions(transactions=raws))


def identity(raw: bytes) -> str:
    return decode(raw, SignedTransaction).transaction.id.hex()


def test_all_are_final_in_the_order_of_the_request(served: Served, caller: httpx.Client) -> None:
    raws = [enrolment(served, f"ordered-{number}") for number in range(40)]
    found = checked(post(caller, together(*raws), wait=30_000), record_schemas.SubmissionResults)["results"]
    assert [result["id"] for result in found] == [identity(raw) for raw in raws]
    assert {result["status"] for result in found} == {"final"}
    assert {result["receipt"]["verdict"]["kind"] for result in found} == {"Accepted"}
    for result in found[:2]:
        outcome = caller.get(f"/v1/transactions/{result['id']}").json()
        assert {name: outcome[name] for name in result} == result


def test_what_is_refused_takes_nothing_else_with_it(served: Served, caller: httpx.Client) -> None:
    good, other = enrolment(served, "good"), enrolment(served, "other")
    true = decode(enrolment(served, "forged"), SignedTransaction)
    forged = encode(SignedTransaction(transaction=true.transaction, signature=type(true.signature)(bytes(64))))
    stranger = enrolment(served, "stranger", key=signing_key("stranger"))
    body = together(good, b"\xc1", forged, stranger, good, other)
    found = checked(post(caller, body, wait=30_000), record_schemas.SubmissionResults)["results"]
    codes = [result["problem"]["code"] if "problem" in result else result["status"] for result in found]
    assert codes == ["final", "malformed-encoding", "invalid-signature", "unknown-key", "final", "final"]
    assert found[0] == found[4]  # the same bytes twice are one transaction
    assert all(result["status"] == "refused" for result in found[1:4])


def test_a_contract_refuses_with_a_receipt(served: Served, caller: httpx.Client) -> None:
    raws = [enrolment(served, "doubled"), enrolment(served, "doubled")]
    found = checked(post(caller, together(*raws), wait=30_000), record_schemas.SubmissionResults)["results"]
    assert sorted(result["receipt"]["verdict"]["kind"] for result in found) == ["Accepted", "Rejected"]


def test_without_wait_what_is_taken_in_is_pending(served: Served, caller: httpx.Client) -> None:
    raw = enrolment(served, "pending")
    found = checked(post(caller, together(raw, b"")), record_schemas.SubmissionResults, status=202)["results"]
    assert found[0] == {"id": identity(raw), "status": "pending"}
    assert found[1]["problem"]["code"] == "malformed-encoding"


def test_a_wait_that_runs_out_leaves_some_final_and_some_pending(
    served: Served, caller: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    early, late = enrolment(served, "early"), enrolment(served, "late")
    checked(post(caller, together(early), wait=30_000), record_schemas.SubmissionResults)
    stall(served, monkeypatch)
    found = checked(post(caller, together(late, early), wait=1), record_schemas.SubmissionResults, status=202)
    assert [result["status"] for result in found["results"]] == ["pending", "final"]
    assert [result["id"] for result in found["results"]] == [identity(late), identity(early)]


def test_one_that_ends_while_it_waits_is_unknown(
    served: Served, caller: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A transaction may end here without being appended, and others may still order it."""
    first, ended, last = (enrolment(served, name) for name in ("first", "ended", "last"))
    gone = decode(ended, SignedTransaction).transaction.id
    final, is_waiting, wait_final = served.api.final, served.api.is_waiting, served.api.wait_final
    waited: list[str] = []

    async def wait(each: Digest, seconds: float) -> Final | None:
        if waited:
            monkeypatch.setattr(served.api, "final", lambda each: None if each == gone else final(each))
            monkeypatch.setattr(served.api, "is_waiting", lambda each: each != gone and is_waiting(each))
        waited.append(each.hex())
        return await wait_final(each, seconds)

    monkeypatch.setattr(served.api, "wait_final", wait)
    body = together(first, ended, last)
    found = checked(post(caller, body, wait=30_000), record_schemas.SubmissionResults)["results"]
    assert waited == [result["id"] for result in found] == [identity(raw) for raw in (first, ended, last)]
    assert [result["status"] for result in found] == ["final", "unknown", "final"]
    assert found[1]["problem"]["code"] == "transaction-unknown"


def test_nothing_of_the_request_is_kept_while_it_waits(
    served: Served, caller: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither its bytes nor those of what is refused, nor the errors, whose tracebacks keep all of it alive."""
    submit, wait_final, read_body = served.api.submit, served.api.wait_final, bodies.read_body
    held: list[bytes] = []
    references: list[int] = []

    async def read(request: Request, what: str, *, bytes_max: int) -> bytes:
        held.append(await read_body(request, what, bytes_max=bytes_max))
        return held[-1]

    def take_in(raw: bytes) -> Digest:
        held.append(raw)
        return submit(raw)

    async def wait(each: Digest, seconds: float) -> Final | None:
        held.pop()  # the mempool keeps what it has taken in
        references.extend(sys.getrefcount(held[place]) for place in range(len(held)))
        return await wait_final(each, seconds)

    monkeypatch.setattr(submissions, "read_body", read)
    monkeypatch.setattr(served.api, "submit", take_in)
    monkeypatch.setattr(served.api, "wait_final", wait)
    body = together(b"no transaction", b"x" * (TRANSACTION_BYTES_MAX + 1), enrolment(served, "held"))
    checked(post(caller, body, wait=30_000), record_schemas.SubmissionResults)
    alone = [bytes(1_000)]
    assert references == [sys.getrefcount(alone[0])] * 3


async def most_in_a_turn(work: Awaitable[T], counted: Sized) -> tuple[T, int]:
    """Return what `work` returns, and how many were counted at most between two turns of the loop."""
    counts = [len(counted)]

    async def watch() -> None:
        while True:
            counts.append(len(counted))
            await asyncio.sleep(0)

    watcher = asyncio.ensure_future(watch())
    try:
        found = await work
    finally:
        watcher.cancel()
    return found, max(after - before for before, after in itertools.pairwise([*counts, len(counted)]))


@pytest.mark.parametrize("length", [STRIDE - 1, 3 * STRIDE])
def test_several_requests_at_once_leave_the_loop_its_turns(
    served: Served, monkeypatch: pytest.MonkeyPatch, length: int
) -> None:
    """A vote waits for STRIDE transactions at most, however many requests there are and however they divide them."""
    requests, app, submit = 16, served.app(), served.api.submit
    begun: list[bytes] = []

    def counted(raw: bytes) -> Digest:
        begun.append(raw)
        return submit(raw)

    async def send() -> tuple[list[httpx.Response], int]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://node") as callers:
            content, headers = together(*[b""] * length), {"Content-Type": MSGPACK}
            calls = [callers.post("/v1/submissions", content=content, headers=headers) for _ in range(requests)]
            return await most_in_a_turn(asyncio.gather(*calls), begun)

    monkeypatch.setattr(served.api, "submit", counted)
    found, most = served.run(send())
    assert [answer.status_code for answer in found] == [200] * requests
    assert len(begun) == requests * length
    assert 0 < most <= STRIDE


def test_waiting_for_what_is_final_and_rendering_it_leave_the_loop_its_turns(
    served: Served, caller: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw, app, final = enrolment(served, "rendered"), served.app(), served.api.final
    checked(post(caller, together(raw), wait=30_000), record_schemas.SubmissionResults)
    begun: list[Digest] = []

    def counted(each: Digest) -> Final | None:
        begun.append(each)
        return final(each)

    async def send() -> tuple[httpx.Response, int]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://node") as calling:
            content, headers = together(*[raw] * SUBMISSIONS_MAX), {"Content-Type": MSGPACK}
            call = calling.post("/v1/submissions", content=content, headers=headers, params={"wait": 30_000})
            return await most_in_a_turn(call, begun)

    monkeypatch.setattr(served.api, "final", counted)
    answer, most = served.run(send())
    results = checked(answer, record_schemas.SubmissionResults)["results"]
    assert [result["status"] for result in results] == ["final"] * SUBMISSIONS_MAX
    assert len(begun) == 3 * SUBMISSIONS_MAX  # as they are taken in, waited for, and rendered
    assert 0 < most <= answers.STRIDE


def test_a_full_mempool_refuses_the_rest(served: Served, monkeypatch: pytest.MonkeyPatch, caller: httpx.Client) -> None:
    node = served.network.nodes[0]
    stall(served, monkeypatch)
    limits = structs.replace(node.mempool._limits, mempool_sender_max=len(node.mempool) + 1)
    monkeypatch.setattr(node.mempool, "_limits", limits)
    found = post(caller, together(enrolment(served, "fits"), enrolment(served, "over"))).json()["results"]
    assert [result["status"] for result in found] == ["pending", "refused"]
    assert found[1]["problem"]["code"] == "sender-queue-full"


def test_one_that_is_too_large_takes_nothing_else_with_it(served: Served, caller: httpx.Client) -> None:
    body = together(bytes(TRANSACTION_BYTES_MAX + 1), enrolment(served, "beside"))
    found = checked(post(caller, body, wait=30_000), record_schemas.SubmissionResults)["results"]
    assert [result["status"] for result in found] == ["refused", "final"]
    assert found[0]["problem"]["code"] == "too-large"


@pytest.mark.parametrize("count", [0, SUBMISSIONS_MAX + 1])
def test_too_few_and_too_many_are_refused_as_a_whole(caller: httpx.Client, count: int) -> None:
    refused(post(caller, encode([[b""] * count])), "malformed-encoding", status=400)


def test_as_many_as_there_may_be_are_judged(caller: httpx.Client) -> None:
    found = checked(post(caller, together(*[b""] * SUBMISSIONS_MAX)), record_schemas.SubmissionResults)["results"]
    assert len(found) == SUBMISSIONS_MAX


@pytest.mark.parametrize("body", [b"", b"\xc1", encode([]), encode([b"x"]), encode([["x"]]), encode([[b"x"], 1])])
def test_a_body_that_is_none_is_refused(caller: httpx.Client, body: bytes) -> None:
    refused(post(caller, body), "malformed-encoding", status=400)


def test_another_byte_form_is_refused(caller: httpx.Client) -> None:
    refused(post(caller, b"\xdc\x00\x01" + together(b"x")[1:]), "non-canonical-encoding", status=400)


@pytest.mark.parametrize("beyond", [0, 1])
def test_a_body_is_refused_beyond_the_limit_only(caller: httpx.Client, beyond: int) -> None:
    raws = [bytes(8_000)] * (SUBMISSIONS_MAX - 1)
    rest = SUBMISSIONS_BYTES_MAX - len(together(*raws, bytes(8_000))) + 8_000
    body = together(*raws, bytes(rest + beyond))
    assert len(body) == SUBMISSIONS_BYTES_MAX + beyond
    if beyond:
        refused(post(caller, body), "too-large", status=413)
    else:
        found = checked(post(caller, body), record_schemas.SubmissionResults)["results"]
        assert [result["status"] for result in found] == ["refused"] * SUBMISSIONS_MAX


def test_another_content_type_is_refused(caller: httpx.Client) -> None:
    response = caller.post("/v1/submissions", content=together(b"x"), headers={"Content-Type": "application/json"})
    refused(response, "unsupported-media-type", status=415)
