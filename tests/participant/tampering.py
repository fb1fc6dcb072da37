"""Ways for a proxy to change what a real node answers."""

import json
from collections.abc import Callable

from tests.participant.proxy import Exchange, Tamper


def matching(method: str, part: str, change: Callable[[Exchange], Exchange | bytes | None]) -> Tamper:
    """Return what changes the answers to some requests only."""
    return lambda exchange: change(exchange) if exchange.method == method and part in exchange.path else exchange


def edited(exchange: Exchange, **fields: object) -> Exchange:
    """Return the answer with other members."""
    document = {**json.loads(exchange.body), **fields}
    return Exchange(
        method=exchange.method,
        path=exchange.path,
        status=exchange.status,
        headers=exchange.headers,
        body=json.dumps(document).encode(),
    )


def with_body(exchange: Exchange, body: bytes) -> Exchange:
    """Return the answer with another body."""
    return Exchange(
        method=exchange.method, path=exchange.path, status=exchange.status, headers=exchange.headers, body=body
    )


def refusal(exchange: Exchange, status: int, code: str) -> Exchange:
    """Return a problem document instead of the answer."""
    return Exchange(
        method=exchange.method,
        path=exchange.path,
        status=status,
        headers=exchange.headers,
        body=json.dumps({"code": code, "detail": "so it says"}).encode(),
    )


def flipped(exchange: Exchange) -> Exchange:
    """Return the answer with one bit of its proof changed."""
    proof = bytearray.fromhex(json.loads(exchange.body)["proof"])
    proof[-1] ^= 1
    return edited(exchange, proof=proof.hex())


def inverted(exchange: Exchange) -> Exchange:
    """Return the answer with one bit of its body changed."""
    return with_body(exchange, exchange.body[:-1] + bytes([exchange.body[-1] ^ 1]))
