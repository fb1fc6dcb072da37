"""Examples of requests in the OpenAPI document: each has the form it illustrates, and a node takes it for a request."""

import re
from typing import Any

import httpx
import pytest

from aggregation.layouts import decode_layout
from ledger.blobs import SignedReadRequest, SignedTicket
from ledger.encoding import decode
from ledger.hashing import sha256
from ledger.transactions import SignedTransaction
from node.config import RestSection
from node.rest.media import MSGPACK, OCTETS, decode_statement
from node.rest.submissions import Submissions
from tests.node.rest.served import Served, operations, refused

KINDS = {"string": str, "integer": int, "boolean": bool, "null": type(None)}
WORDS = {"title", "description", "default", "examples"}
"""Keywords of a schema that admit everything."""
ABSENT = {"not-found", "transaction-unknown", "not-appended", "blob-not-found"}
"""Codes that say of a request only that another chain holds what it asks for."""


def accepts(schema: dict[str, Any], value: object) -> bool:
    """Return whether a schema admits a value; a keyword that this does not know is an error."""
    rest = {name: said for name, said in schema.items() if name not in WORDS}
    if "anyOf" in rest:
        assert set(rest) == {"anyOf"}, rest
        return any(accepts(part, value) for part in rest["anyOf"])
    if type(value) is not KINDS[rest.pop("type")]:
        return False
    return all(_keeps(value, keyword, said) for keyword, said in rest.items())


def _keeps(value: Any, keyword: str, said: Any) -> bool:
    match keyword:
        case "minimum":
            return bool(said <= value)
        case "maximum":
            return bool(value <= said)
        case "minLength":
            return int(said) <= len(value)
        case "maxLength":
            return len(value) <= int(said)
        case "pattern":
            return re.search(said, value) is not None
        case "contentEncoding":
            assert said == "binary"
            return all(ord(character) < 256 for character in value)
    raise AssertionError(f"keyword {keyword}: expected one that this test knows")


@pytest.mark.parametrize(
    ("schema", "good", "bad"),
    [
        ({"anyOf": [{"type": "integer", "minimum": 0, "maximum": 9}, {"type": "null"}]}, [0, 9, None], [-1, 10, "0"]),
        ({"type": "string", "pattern": "^[0-9]$", "minLength": 1}, ["0"], ["a", "", 0]),
        ({"type": "string", "contentEncoding": "binary", "maxLength": 1}, ["\xff"], ["\u0100", "ab"]),
        ({"type": "boolean"}, [True], ["true", 1]),
    ],
)
def test_this_test_knows_schemas(schema: dict[str, Any], good: list[object], bad: list[object]) -> None:
    assert all(accepts(schema, value) for value in good)
    assert not any(accepts(schema, value) for value in bad)


def body_example(operation: dict[str, Any]) -> bytes:
    """Return the one example of an operation's body."""
    (content,) = operation["requestBody"]["content"].values()
    (example,) = content["examples"].values()
    return bytes(example["value"], "latin-1")


def header_example(document: dict[str, Any], scheme: str) -> str:
    """Return the example of a header that carries a signed statement."""
    found = re.search("Example: `([^`]+)`", document["components"]["securitySchemes"][scheme]["description"])
    assert found is not None, scheme
    return found[1]


def test_every_parameter_has_examples_that_its_schema_admits(document: dict[str, Any]) -> None:
    places = set()
    for path, method, operation in operations(document):
        for parameter in operation.get("parameters", []):
            examples = parameter["schema"].get("examples")
            assert examples, (path, method, parameter["name"])
            for example in examples:
                assert accepts(parameter["schema"], example), (path, method, parameter["name"], example)
            places.add(parameter["in"])
    assert places == {"path", "query"}


def test_every_body_has_examples_that_its_schema_admits(document: dict[str, Any]) -> None:
    forms = set()
    for path, method, operation in operations(document):
        for form, content in operation.get("requestBody", {}).get("content", {}).items():
            assert content["examples"], (path, method)
            for example in content["examples"].values():
                assert accepts(content["schema"], example["value"]), (path, method)
                raw = example["value"].encode("latin-1")
                assert example["summary"]
                assert raw.hex() in example["description"]
            forms.add(form)
    assert forms == {MSGPACK, OCTETS}


def test_the_examples_are_what_a_node_of_their_chain_would_take(document: dict[str, Any]) -> None:
    raw = body_example(document["paths"]["/v1/transactions"]["post"])
    assert decode(body_example(document["paths"]["/v1/submissions"]["post"]), Submissions).transactions == (raw,)
    signed = decode(raw, SignedTransaction)
    chain_id = signed.transaction.chain_id
    signed.verify(chain_id=chain_id)
    blob = body_example(document["paths"]["/v1/blobs/{digest}"]["put"])
    decode_layout(blob)
    ticket = decode_statement(header_example(document, "ticket"), SignedTicket).verify(chain_id=chain_id)
    assert (ticket.blob, ticket.size) == (sha256(blob), len(blob))
    scheme, _, statement = header_example(document, "read-request").partition(" ")
    assert scheme == "Quorate"
    assert decode_statement(statement, SignedReadRequest).verify(chain_id=chain_id).blob == sha256(blob)


def call(served: Served, document: dict[str, Any], path: str, method: str, operation: dict[str, Any]) -> httpx.Response:
    """Send a request made of an operation's examples alone."""
    parameters = operation.get("parameters", [])
    chosen = {(item["in"], item["name"]): item["schema"]["examples"][0] for item in parameters}
    target = path.format(**{name: value for (place, name), value in chosen.items() if place == "path"})
    query = {name: value for (place, name), value in chosen.items() if place == "query"}
    headers = {}
    for requirement in operation.get("security", []):
        (scheme,) = requirement
        headers[document["components"]["securitySchemes"][scheme]["name"]] = header_example(document, scheme)
    body = b""
    if "requestBody" in operation:
        (headers["Content-Type"],) = operation["requestBody"]["content"]
        body = body_example(operation)
    app = served.app(section=RestSection(wait_ms_max=1))
    return served.call(app, method.upper(), target, params=query, headers=headers, content=body)


def test_a_node_of_another_chain_refuses_the_examples_for_their_chain_only(
    served: Served, document: dict[str, Any]
) -> None:
    signed = set()
    for path, method, operation in operations(document):
        response = call(served, document, path, method, operation)
        if path == "/v1/submissions":
            assert [result["problem"]["code"] for result in response.json()["results"]] == ["wrong-chain"]
        elif operation.get("security") or "requestBody" in operation:
            refused(response, "wrong-chain", status=response.status_code)
            signed.add((path, method))
        elif response.is_error:
            assert response.json()["code"] in ABSENT, (path, method, response.text)
    assert signed == {("/v1/transactions", "post"), ("/v1/blobs/{digest}", "put"), ("/v1/blobs/{digest}", "get")}
