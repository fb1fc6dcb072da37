"""Uploads that are refused: each by its own rule, and nothing of them is kept."""

import base64
from collections.abc import Callable

import httpx
import pytest

from ledger.blobs import SignedTicket, UploadTicket
from ledger.encoding import encode
from ledger.hashing import Digest, sha256
from ledger.keys import SigningKey
from ledger.quantities import Height
from node.config import LimitsSection
from node.rest.errors import AuthorizationRequired
from tests.consortium import consortium, signing_key
from tests.network import ticket
from tests.node.rest.blob_calls import OCTETS, is_here, put, statement, until_nothing_arrives, update, upload_headers
from tests.node.rest.served import Served, refused


def signed_ticket(  # each part may be wrong
    served: Served,
    data: bytes,
    *,
    key: SigningKey | None = None,
    chain_id: Digest | None = None,
    blob: bytes | None = None,
    size: int | None = None,
    expires: int = 5_000,
) -> SignedTicket:
    author = key or served.sites.keys[0]
    return SignedTicket.sign(
        UploadTicket(
            chain_id=chain_id or served.network.genesis.chain_id,
            author=author.public,
            blob=sha256(data if blob is None else blob),
            size=len(data) if size is None else size,
            layout=served.sites.layout,
            expires=Height(expires),
        ),
        author,
    )


def expect_refusal(
    served: Served, caller: httpx.Client, data: bytes, headers: dict[str, str], code: str, status: int
) -> httpx.Response:
    response = put(caller, data, headers)
    refused(response, code, status=status)
    until_nothing_arrives(served)
    assert not is_here(served, data)
    return response


WRONG_HEADERS = {
    "another type": ({"Content-Type": "application/json"}, "unsupported-media-type", 415),
    "compressed": ({"Content-Encoding": "gzip"}, "unsupported-media-type", 415),
    "no base64": ({"Quorate-Ticket": "***"}, "malformed-encoding", 400),
    "another alphabet": ({"Quorate-Ticket": "ab+/"}, "malformed-encoding", 400),
    "cut": ({"Quorate-Ticket": "a"}, "malformed-encoding", 400),
    "beyond ASCII": ({"Quorate-Ticket": "é"}, "malformed-encoding", 400),
    "no ticket but something": ({"Quorate-Ticket": "kgE"}, "malformed-encoding", 400),
    "long": ({"Quorate-Ticket": "A" * 3_000}, "malformed-encoding", 400),
    "no digest": ({"Content-Digest": "sha-256=:short:"}, "malformed-encoding", 400),
    "another digest": ({"Content-Digest": f"sha-256=:{base64.b64encode(bytes(32)).decode()}:"}, "blob-mismatch", 422),
}


@pytest.mark.parametrize("case", WRONG_HEADERS)
def test_a_wrong_header_is_refused(served: Served, caller: httpx.Client, case: str) -> None:
    wrong, code, status = WRONG_HEADERS[case]
    data = update(served, 100)
    raw = [(name.encode(), value.encode()) for name, value in {**upload_headers(served, data), **wrong}.items()]
    response = caller.put(f"/v1/blobs/{sha256(data).hex()}", content=data, headers=raw)
    refused(response, code, status=status)
    assert not is_here(served, data)


def test_an_upload_without_ticket_is_unauthorised(served: Served, caller: httpx.Client) -> None:
    data = update(served, 101)
    response = expect_refusal(served, caller, data, {"Content-Type": OCTETS}, AuthorizationRequired.code, 401)
    assert response.headers["www-authenticate"] == "Quorate"


def test_an_upload_without_length_is_refused(served: Served, caller: httpx.Client) -> None:
    data = update(served, 102)
    path = f"/v1/blobs/{sha256(data).hex()}"
    response = caller.put(path, content=iter([data]), headers=upload_headers(served, data))
    refused(response, "length-required", status=411)
    assert not is_here(served, data)


def test_an_upload_over_this_nodes_limit_is_refused_unread(served: Served) -> None:
    data = update(served, 103)
    app = served.app(limits=LimitsSection(blob_bytes_max=len(data) - 1))
    response = served.call(
        app, "PUT", f"/v1/blobs/{sha256(data).hex()}", content=data, headers=upload_headers(served, data)
    )
    assert f"at most {len(data) - 1} bytes" in refused(response, "too-large", status=413)["detail"]


WrongTicket = Callable[[Served, bytes], SignedTicket]
WRONG_TICKETS: dict[str, tuple[WrongTicket, str, int]] = {
    "another blob": (lambda served, data: signed_ticket(served, data, blob=b"other"), "ticket-mismatch", 422),
    "another size": (lambda served, data: signed_ticket(served, data, size=len(data) + 1), "ticket-mismatch", 422),
    "expired": (lambda served, data: signed_ticket(served, data, expires=1), "input", 422),
    "expires too late": (lambda served, data: signed_ticket(served, data, expires=10**9), "input", 422),
    "another chain": (
        lambda served, data: signed_ticket(served, data, chain_id=consortium().genesis.chain_id),
        "wrong-chain",
        422,
    ),
    "unknown key": (lambda served, data: signed_ticket(served, data, key=signing_key("x")), "not-authorised", 403),
    "forged": (
        lambda served, data: SignedTicket(
            ticket=signed_ticket(served, data).ticket,
            signature=signed_ticket(served, data, key=signing_key("x")).signature,
        ),
        "invalid-signature",
        403,
    ),
}


@pytest.mark.parametrize("case", WRONG_TICKETS)
def test_a_wrong_ticket_is_refused(served: Served, caller: httpx.Client, case: str) -> None:
    make, code, status = WRONG_TICKETS[case]
    data = update(served, 104)
    headers = {"Content-Type": OCTETS, "Quorate-Ticket": statement(make(served, data))}
    expect_refusal(served, caller, data, headers, code, status)


def test_a_ticket_in_another_byte_form_is_refused(served: Served, caller: httpx.Client) -> None:
    data = update(served, 105)
    canonical = encode(signed_ticket(served, data))
    assert canonical[0] == 0x92
    other = base64.urlsafe_b64encode(b"\xdc\x00\x02" + canonical[1:]).decode()
    headers = {"Content-Type": OCTETS, "Quorate-Ticket": other}
    expect_refusal(served, caller, data, headers, "non-canonical-encoding", 400)


def test_a_wrong_ticket_for_a_blob_that_is_here_is_refused_too(served: Served, caller: httpx.Client) -> None:
    data = update(served, 106)
    assert put(caller, data, upload_headers(served, data)).status_code == 201
    stranger = signed_ticket(served, data, key=signing_key("x"))
    response = put(caller, data, {"Content-Type": OCTETS, "Quorate-Ticket": statement(stranger)})
    refused(response, "not-authorised", status=403)


def test_bytes_of_another_digest_are_refused_and_not_kept(served: Served, caller: httpx.Client) -> None:
    named, sent = update(served, 107), bytes(len(update(served, 107)))
    response = put(caller, sent, upload_headers(served, named), name=named)
    assert sha256(named).hex() in refused(response, "blob-mismatch", status=422)["detail"]
    until_nothing_arrives(served)
    assert not is_here(served, named)
    assert not is_here(served, sent)


def test_a_blob_of_no_kind_is_refused_and_not_kept(served: Served, caller: httpx.Client) -> None:
    data = b"neither this nor that"
    expect_refusal(served, caller, data, upload_headers(served, data), "unknown-blob", 422)


def test_a_blob_that_breaks_its_layout_is_refused_with_that_rule(served: Served, caller: httpx.Client) -> None:
    data = update(served, 108).replace(b'"w"', b'"v"')
    expect_refusal(served, caller, data, upload_headers(served, data), "layout-mismatch", 422)


def test_a_full_store_says_so(served: Served, caller: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    data = update(served, 109)
    monkeypatch.setattr(served.api._blobs.store, "_quota_bytes", 1)
    expect_refusal(served, caller, data, upload_headers(served, data), "storage-full", 507)


def test_an_author_whose_quota_is_used_up_is_refused(
    served: Served, caller: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = update(served, 110)
    monkeypatch.setattr(served.api._holding, "_limits", LimitsSection(blob_bytes_max=2**20, author_bytes_max=2**20))
    monkeypatch.setattr(served.api._blobs.store, "orphan_sizes", lambda _: [2**20])
    expect_refusal(served, caller, data, upload_headers(served, data), "not-authorised", 403)


@pytest.mark.parametrize("digest", ["x", "A" * 64, "0" * 63, "%00" * 64, "..%5c..%5cetc"])
def test_what_is_no_digest_is_refused(served: Served, caller: httpx.Client, digest: str) -> None:
    response = caller.put(f"/v1/blobs/{digest}", content=b"x", headers=upload_headers(served, b"x"))
    refused(response, "invalid-parameter", status=422)


@pytest.mark.parametrize("digest", ["..%2f..%2fetc%2fpasswd", "%2e%2e/%2e%2e/etc/passwd", "%2fetc%2fpasswd"])
def test_a_path_that_leads_elsewhere_is_no_route(served: Served, caller: httpx.Client, digest: str) -> None:
    response = caller.put(f"/v1/blobs/{digest}", content=b"x", headers=upload_headers(served, b"x"))
    refused(response, "unknown-path", status=404)


def test_the_ticket_of_the_helpers_is_a_good_one(served: Served) -> None:
    data = update(served, 111)
    leave = ticket(served.sites.keys[0], data, served.network.genesis, layout=served.sites.layout)
    assert leave == signed_ticket(served, data)
