"""Refusals: one form for all of them, each with the code of a class."""

import re
from pathlib import Path

import httpx
import pytest

import node.rest
from ledger.errors import ConfigurationError, QuorateError, TooLarge
from node.config import RestSection
from node.rest import schemas
from node.rest.errors import InternalError, RestError
from node.rest.problems import problem_answer, problem_document, problem_types, title_of
from node.storage.errors import StorageFailed
from tests.node.rest.served import Served, checked, refused

ROUTES = ["/v1/version", "/v1/status", "/v1/blocks", "/v1/tasks", "/v1/validators", "/livez", "/openapi.json", "/docs"]


@pytest.mark.parametrize("path", ["/", "/v1", "/v1/nothing", "/v1/status/", "/v1//status", "/v2/status", "/metrics"])
def test_an_unknown_path_is_not_found(caller: httpx.Client, path: str) -> None:
    problem = refused(caller.get(path), "unknown-path", status=404)
    assert problem["detail"] == f"path: expected one that /openapi.json lists, got {path}"
    assert problem["hint"]


@pytest.mark.parametrize("path", ["/../etc/passwd", "/v1/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/..%2fetc"])
def test_no_path_leads_out_of_the_routes(served: Served, path: str) -> None:
    with served.caller() as caller:
        request = caller.build_request("GET", "/")
        request.url = request.url.copy_with(raw_path=path.encode())
        refused(caller.send(request), "unknown-path", status=404)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/v1/status", "GET, HEAD"),
        ("DELETE", "/v1/blocks/1", "GET, HEAD"),
        ("GET", "/v1/transactions", "POST"),
        ("HEAD", "/v1/transactions", "POST"),
        ("POST", f"/v1/blobs/{'00' * 32}", "GET, HEAD, PUT"),
        ("OPTIONS", f"/v1/blobs/{'00' * 32}", "GET, HEAD, PUT"),
        ("TRACE", "/livez", "GET, HEAD"),
    ],
)
def test_another_method_is_refused_with_those_there_are(
    caller: httpx.Client, method: str, path: str, allowed: str
) -> None:
    response = caller.request(method, path)
    assert (response.status_code, response.headers["allow"]) == (405, allowed)
    if method != "HEAD":
        assert refused(response, "method-not-allowed", status=405)["expected"] == allowed


@pytest.mark.parametrize("path", ROUTES)
def test_head_answers_as_get_without_a_body(caller: httpx.Client, path: str) -> None:
    got, head = caller.get(path), caller.head(path)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-type"] == got.headers["content-type"]
    assert "quorate-height" in head.headers


@pytest.mark.parametrize("path", [*ROUTES, "/readyz", "/v1/genesis", f"/v1/transactions/{'00' * 32}"])
def test_an_unknown_parameter_is_refused_on_every_route(caller: httpx.Client, path: str) -> None:
    problem = refused(caller.get(path, params={"wiat": "1"}), "unknown-parameter", status=422)
    assert problem["got"] == "wiat"


def test_a_parameter_is_given_once(caller: httpx.Client) -> None:
    refused(caller.get("/v1/blocks?limit=1&limit=2"), "invalid-parameter", status=422)


def test_too_many_requests_at_a_time_are_refused_for_now(served: Served) -> None:
    app = served.app(section=RestSection(requests_concurrent_max=1))
    with app.state.context.requests.take():
        response = served.call(app, "GET", "/v1/status")
        refused(response, "overloaded", status=503)
        assert response.headers["retry-after"] == "1"
        checked(served.call(app, "GET", "/livez"), schemas.Probe)
    checked(served.call(app, "GET", "/v1/status"), schemas.Status)


def test_a_request_that_fails_gives_its_slot_back(served: Served) -> None:
    app = served.app(section=RestSection(requests_concurrent_max=1))
    for _ in range(3):
        refused(served.call(app, "GET", "/v1/nothing"), "unknown-path", status=404)


def test_a_bug_of_ours_is_logged_and_answered_without_detail(
    served: Served, capsys: pytest.CaptureFixture[str]
) -> None:
    app = served.app()

    @app.get("/broken")
    async def broken() -> None:
        raise RuntimeError("the secret of the house")

    response = served.call(app, "GET", "/broken")
    refused(response, "internal-error", status=500)
    assert "secret" not in response.text
    assert "quorate-height" in response.headers
    assert "the secret of the house" in capsys.readouterr().out


def test_a_failing_disk_is_logged_and_answered_without_paths(
    served: Served, capsys: pytest.CaptureFixture[str]
) -> None:
    app = served.app()

    @app.get("/broken")
    async def broken() -> None:
        raise StorageFailed("blob store /home/operator/blobs", expected="a disk", got="none")

    response = served.call(app, "GET", "/broken")
    assert refused(response, "storage-failed", status=500)["hint"]
    assert "operator" not in response.text
    assert "/home/operator/blobs" in capsys.readouterr().out


def test_a_long_target_is_refused(caller: httpx.Client) -> None:
    refused(caller.get("/v1/" + "x" * 3_000), "target-too-long", status=414)
    refused(caller.get("/v1/blocks", params={"before": "1" * 3_000}), "target-too-long", status=414)


def test_large_headers_are_refused(caller: httpx.Client) -> None:
    refused(caller.get("/v1/status", headers={"X-Much": "x" * 20_000}), "headers-too-large", status=431)
    many = {f"X-{number}": "x" * 100 for number in range(200)}
    refused(caller.get("/v1/status", headers=many), "headers-too-large", status=431)


def test_every_answer_has_a_height_and_is_not_to_be_guessed_at(caller: httpx.Client) -> None:
    for path in [*ROUTES, "/v1/nothing", "/v1/blocks?limit=0"]:
        response = caller.get(path)
        assert int(response.headers["quorate-height"]) > 0
        assert response.headers["x-content-type-options"] == "nosniff"


# --- documents ---


def test_a_problem_says_what_was_expected_and_what_came() -> None:
    document = problem_document(TooLarge("blob", expected="at most 5 bytes", got="6 bytes"))
    assert document == {
        "type": "/problems/too-large",
        "title": "Too large",
        "status": 413,
        "detail": "blob: expected at most 5 bytes, got 6 bytes",
        "code": "too-large",
        "expected": "at most 5 bytes",
        "got": "6 bytes",
    }


def test_what_came_is_cut_before_it_is_repeated() -> None:
    document = problem_document(TooLarge("x" * 10_000, expected="y" * 10_000, got="z" * 10_000))
    assert max(len(str(value)) for value in document.values()) < 1_600


def test_a_problem_carries_the_headers_of_its_error() -> None:
    answer = problem_answer(RestError("x", headers={"Allow": "GET"}))
    assert answer.headers["allow"] == "GET"


@pytest.mark.parametrize("kind", [ConfigurationError, StorageFailed, InternalError])
def test_what_goes_wrong_inside_stays_inside(kind: type[QuorateError]) -> None:
    document = problem_document(kind("/home/x", expected="/home/y", got="/home/z"))
    assert "/home" not in str(document)


def test_codes_are_unique_and_stable_names() -> None:
    types = problem_types()
    for code, kind in types.items():
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", code), code
        assert kind.code == code
        assert 400 <= kind.http_status <= 599
        assert title_of(kind)


def test_every_code_in_the_source_is_one_of_a_class() -> None:
    folder = Path(node.rest.__file__).parent
    named = [code for file in folder.glob("*.py") for code in re.findall(r'code = "([a-z-]+)"', file.read_text())]
    assert named
    assert set(named) <= set(problem_types())
