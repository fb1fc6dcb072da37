"""A caller as anybody could write one: HTTP, and the ledger to encode, sign and verify; no SDK, no node objects."""

import base64
import secrets
from collections.abc import Callable
from typing import Any

import httpx

from ledger.blobs import ReadRequest, SignedReadRequest, SignedTicket, UploadTicket
from ledger.blocks import Block
from ledger.certificates import CertifiedBlock
from ledger.encoding import decode, encode
from ledger.entries import Receipt, TransactionEntry
from ledger.genesis import Genesis
from ledger.hashing import ZERO_DIGEST, Digest, sha256
from ledger.keys import SigningKey
from ledger.light_client import EntryProof, LightClient, StateEntryProof
from ledger.quantities import Height
from ledger.transactions import NONCE_BYTES, Body, SignedTransaction, Transaction
from tests.acceptance.processes import PATIENCE_SECONDS, until

MSGPACK = "application/msgpack"
OCTETS = "application/octet-stream"
WAIT_MS = 30_000
"""As long as a node holds a call by default."""
VALID_UNTIL = Height(5_000)


class Caller:
    """The way to one validator."""

    def __init__(
        self,
        url: str,
        genesis: Genesis,
        *,
        transport: httpx.BaseTransport | None = None,
        log_tail: Callable[[], str] = lambda: "",
    ) -> None:
        """Call a validator; `log_tail` tells what its log ends with, should it never be ready."""
        self.genesis = genesis
        self.log_tail = log_tail
        self.http = httpx.Client(base_url=url, timeout=PATIENCE_SECONDS, transport=transport)
        self.auditor = LightClient(genesis)

    # What is read

    def json(self, path: str, **parameters: Any) -> dict[str, Any]:
        """Return the content of an answer that must be good."""
        response = self.http.get(path, params=parameters)
        assert response.status_code == httpx.codes.OK, response.text
        found: dict[str, Any] = response.json()
        return found

    def status(self) -> dict[str, Any]:
        return self.json("/v1/status")

    def wait_ready(self) -> None:
        """Wait until the validator says that callers may be sent to it."""
        until(self._is_ready, f"{self.http.base_url} ready", tell=self._why_not_ready)

    def _why_not_ready(self) -> str:
        try:
            return f"{self.http.get('/readyz?verbose').text}\n{self.log_tail()}"
        except httpx.TransportError as error:
            return f"{error!r}\n{self.log_tail()}"

    def _is_ready(self) -> bool:
        try:
            return self.http.get("/readyz").status_code == httpx.codes.OK
        except httpx.TransportError:
            return False

    def certified(self, height: int) -> CertifiedBlock:
        """Return a block as the node holds it; raises unless its certificate, if it has one, is valid."""
        response = self.http.get(f"/v1/blocks/{height}", headers={"Accept": MSGPACK})
        assert response.status_code == httpx.codes.OK, response.text
        found = decode(response.content, CertifiedBlock)
        if height == 0 or found.certificate is not None:
            self.auditor.verify_header(found.block.header, found.certificate)
        return found

    def block(self, height: int) -> Block:
        """Return a block once it is appended here."""
        until(lambda: self.status()["height"] >= height, f"block {height} at {self.http.base_url}")
        return self.certified(height).block

    def proven(self, path: str) -> tuple[dict[str, Any], bytes | None]:
        """Return a record as a node tells it, and its bytes as the light client proves them."""
        found = self.json(path, proof=True)
        evidence = decode(bytes.fromhex(found["proof"]), StateEntryProof)
        return found, self.auditor.verify_state(evidence)

    def read_blob(self, key: SigningKey, blob: Digest) -> httpx.Response:
        """Ask for a blob with a signed request."""
        unsigned = ReadRequest(chain_id=self.genesis.chain_id, author=key.public, blob=blob, expires=VALID_UNTIL)
        wanted = statement(SignedReadRequest.sign(unsigned, key))
        return self.http.get(f"/v1/blobs/{blob.hex()}", headers={"Authorization": f"Quorate {wanted}"})

    def fetch(self, key: SigningKey, blob: Digest) -> bytes:
        """Return a blob that this key may read."""
        response = self.read_blob(key, blob)
        assert response.status_code == httpx.codes.OK, response.text
        assert sha256(response.content) == blob
        return response.content

    # What is sent

    def sign(self, key: SigningKey, body: Body, *, valid_until: int = VALID_UNTIL) -> SignedTransaction:
        """Return a new transaction."""
        transaction = Transaction(
            chain_id=self.genesis.chain_id,
            author=key.public,
            nonce=secrets.token_bytes(NONCE_BYTES),
            valid_until=Height(valid_until),
            body=body,
        )
        return SignedTransaction.sign(transaction, key)

    def post(self, raw: bytes, *, wait_ms: int = WAIT_MS) -> httpx.Response:
        """Submit bytes as a transaction."""
        headers = {"Content-Type": MSGPACK}
        return self.http.post("/v1/transactions", content=raw, headers=headers, params={"wait": wait_ms})

    def judge(self, key: SigningKey, body: Body) -> Receipt:
        """Submit a transaction and return its receipt once it is final and proven."""
        return self.settle(encode(self.sign(key, body)))

    def settle(self, raw: bytes) -> Receipt:
        """Submit signed bytes and return their receipt, as answered, once it is proven from the genesis file alone."""
        answer = until(lambda: _final(self.post(raw)), "a receipt")
        response = self.http.get(f"/v1/transactions/{answer['id']}", headers={"Accept": MSGPACK})
        entry = self.auditor.verify_entry(decode(response.content, EntryProof))
        assert isinstance(entry, TransactionEntry)
        assert encode(entry.signed) == raw
        receipt = entry.receipt
        assert (answer["height"], answer["position"]) == (receipt.height, receipt.position)
        assert answer["receipt"]["verdict"]["kind"] == type(receipt.verdict).__name__
        return receipt

    def ticket(
        self, key: SigningKey, data: bytes, *, layout: Digest = ZERO_DIGEST, expires: int = VALID_UNTIL
    ) -> dict[str, str]:
        """Return the headers of an upload of `data`."""
        unsigned = UploadTicket(
            chain_id=self.genesis.chain_id,
            author=key.public,
            blob=sha256(data),
            size=len(data),
            layout=layout,
            expires=Height(expires),
        )
        return {"Content-Type": OCTETS, "Quorate-Ticket": statement(SignedTicket.sign(unsigned, key))}

    def put(
        self, data: bytes, headers: dict[str, str], *, blob: Digest | None = None, wait_ms: int = WAIT_MS
    ) -> httpx.Response:
        """Upload `data`, by default under its own digest."""
        where = f"/v1/blobs/{(sha256(data) if blob is None else blob).hex()}"
        return self.http.put(where, content=data, headers=headers, params={"wait": wait_ms})

    def upload(self, key: SigningKey, data: bytes, *, layout: Digest = ZERO_DIGEST) -> Digest:
        """Upload a blob and return its digest once a quorum's word for it is on chain."""
        headers = self.ticket(key, data, layout=layout)
        until(lambda: _recorded(self.put(data, headers)), "a recorded blob")
        return sha256(data)


def statement(noun: object) -> str:
    """Return a signed noun as headers carry it."""
    return base64.urlsafe_b64encode(encode(noun)).rstrip(b"=").decode()


def _final(response: httpx.Response) -> dict[str, Any] | None:
    """Return the answer to a submission if it is final; one that still waits is asked for again."""
    assert response.status_code in {200, 202}, response.text
    answer: dict[str, Any] = response.json()
    return answer if answer["status"] == "final" else None


def _recorded(response: httpx.Response) -> bool:
    assert response.status_code in {200, 201}, response.text
    return bool(response.json()["recorded"])
