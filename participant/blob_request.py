"""Asking for a blob: nodes give blobs to members only, so each request is signed."""

import base64

from ledger.blobs import ReadRequest, SignedReadRequest
from ledger.encoding import Noun, encode
from ledger.hashing import Digest
from ledger.keys import SigningKey
from ledger.quantities import Height
from participant.node import OCTETS, Request


def blob_request(digest: Digest, *, chain_id: Digest, key: SigningKey, expires: Height, bytes_max: int) -> Request:
    """Return the request for a blob, good up to the block at height `expires`."""
    unsigned = ReadRequest(chain_id=chain_id, author=key.public, blob=digest, expires=expires)
    return Request(
        method="GET",
        path=f"/v1/blobs/{digest.hex()}",
        headers={
            "Accept": OCTETS,
            "Authorization": f"Quorate {header_form(SignedReadRequest.sign(unsigned, key))}",
        },
        answer_bytes_max=bytes_max,
    )


def header_form(statement: Noun) -> str:
    """Return a signed statement as headers carry it: base64url without padding."""
    return base64.urlsafe_b64encode(encode(statement)).decode().rstrip("=")
