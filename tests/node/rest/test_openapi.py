"""The OpenAPI document: every route, with forms and examples; and the page that shows it."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import httpx

from node.rest.media import PROBLEM
from tests.node.rest.served import operations

METHODS = {
    "/v1/version": {"get"},
    "/v1/status": {"get"},
    "/v1/genesis": {"get"},
    "/v1/blocks": {"get"},
    "/v1/blocks/{height}": {"get"},
    "/v1/transactions": {"post"},
    "/v1/submissions": {"post"},
    "/v1/transactions/{id}": {"get"},
    "/v1/tasks": {"get"},
    "/v1/tasks/{task}": {"get"},
    "/v1/tasks/{task}/rounds/{round}": {"get"},
    "/v1/tasks/{task}/models/{version}": {"get"},
    "/v1/validators": {"get"},
    "/v1/offences": {"get"},
    "/v1/eras/{era}": {"get"},
    "/v1/participants": {"get"},
    "/v1/organisations": {"get"},
    "/v1/blobs/{digest}": {"put", "get"},
    "/v1/blobs/{digest}/record": {"get"},
    "/livez": {"get"},
    "/readyz": {"get"},
    "/problems/{code}": {"get"},
}


def references(part: object) -> Iterator[str]:
    if isinstance(part, dict):
        for key, value in part.items():
            if key == "$ref":
                yield value
            elif key == "mapping":
                yield from value.values()
            else:
                yield from references(value)
    elif isinstance(part, list):
        for item in part:
            yield from references(item)


def test_it_lists_every_route_of_the_contract_and_no_other(document: dict[str, Any]) -> None:
    assert {path: set(methods) for path, methods in document["paths"].items()} == METHODS


def test_it_is_an_openapi_3_1_document(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1.")
    assert document["info"]["title"]
    assert document["info"]["version"]


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    found = set(references(document))
    assert found
    for reference in found:
        part: Any = document
        for step in reference.removeprefix("#/").split("/"):
            part = part[step]
        assert part


def test_every_operation_has_a_name_of_its_own_and_says_what_it_does(document: dict[str, Any]) -> None:
    names = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(names) == len(set(names))
    assert all(re.fullmatch("[a-z]+", name) for name in names)
    assert all(operation["description"] for _, _, operation in operations(document))


def test_every_path_parameter_is_described_and_bounded(document: dict[str, Any]) -> None:
    for path, _, operation in operations(document):
        parameters = {item["name"]: item for item in operation.get("parameters", []) if item["in"] == "path"}
        assert sorted(parameters) == sorted(re.findall(r"{(\w+)}", path))
        assert all(item["description"] and "pattern" in item["schema"] for item in parameters.values())


def test_every_json_answer_has_an_example_of_its_form(document: dict[str, Any]) -> None:
    seen = 0
    for path, method, operation in operations(document):
        for status, answer in operation["responses"].items():
            content = answer.get("content", {}).get("application/json")
            if content is None:
                continue
            name = content["schema"].get("$ref", "").rpartition("/")[2]
            assert name or "example" in content, (path, method, status)
            if name:
                assert document["components"]["schemas"][name]["examples"], (path, method, status)
            seen += 1
    assert seen >= len(METHODS)


def test_every_operation_may_be_refused_with_a_problem(document: dict[str, Any]) -> None:
    for _, _, operation in operations(document):
        schema = operation["responses"]["default"]["content"][PROBLEM]["schema"]
        assert schema == {"$ref": "#/components/schemas/Problem"}
    assert {"type", "title", "status", "detail", "code"} <= set(
        document["components"]["schemas"]["Problem"]["required"]
    )
    assert "HTTPValidationError" not in document["components"]["schemas"]


def test_bodies_name_their_form(document: dict[str, Any]) -> None:
    bodies = {
        (path, method): list(operation["requestBody"]["content"])
        for path, method, operation in operations(document)
        if "requestBody" in operation
    }
    assert bodies == {
        ("/v1/transactions", "post"): ["application/msgpack"],
        ("/v1/submissions", "post"): ["application/msgpack"],
        ("/v1/blobs/{digest}", "put"): ["application/octet-stream"],
    }


def test_signed_statements_are_security_schemes(document: dict[str, Any]) -> None:
    schemes = document["components"]["securitySchemes"]
    assert {scheme["name"] for scheme in schemes.values()} == {"Quorate-Ticket", "Authorization"}
    assert document["paths"]["/v1/blobs/{digest}"]["put"]["security"] == [{"ticket": []}]
    assert document["paths"]["/v1/blobs/{digest}"]["get"]["security"] == [{"read-request": []}]


def test_it_is_the_same_each_time(document: dict[str, Any], caller: httpx.Client) -> None:
    assert caller.get("/openapi.json").json() == document


class Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_shows_every_route_and_loads_nothing(caller: httpx.Client) -> None:
    response = caller.get("/docs")
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert response.headers["content-security-policy"].startswith("default-src 'none'")
    page = Page()
    page.feed(response.text)
    for path, methods in METHODS.items():
        for method in methods:
            assert f"{method.upper()} {path}" in page.text
    assert not {tag for tag, _ in page.tags} & {"script", "link", "img", "iframe"}
    assert [attributes["href"] for tag, attributes in page.tags if tag == "a"] == ["/openapi.json"]
