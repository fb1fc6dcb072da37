"""Whoever connects and is no validator of this chain is refused with a reason, and the node goes on."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from ledger.encoding import encode
from ledger.quantities import ValidatorId
from node.transport.errors import OtherChain
from node.transport.events import LinkEventKind
from node.transport.handshake import HELLO_BYTES_MAX, Hello, LinkPurpose
from node.transport.limits import LinkLimits
from tests.node.transport.credentials import Members, credential
from tests.node.transport.network import GREETING, Node, run, running, still_works
from tests.node.transport.raw_ends import connect

ONE = ValidatorId(1)
HELLO = encode(Hello(purpose=LinkPurpose.MESSAGES, greeting=GREETING))


def context_of(file: Path | None, *, version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> ssl.SSLContext:
    """Make a caller that trusts anybody, and shows what it likes."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.maximum_version = version
    if file is not None:
        context.load_cert_chain(file)
    return context


@asynccontextmanager
async def attacked(consortium: Members, *, limits: LinkLimits | None = None) -> AsyncIterator[Node]:
    """Give a node that is well connected, and must still be so at the end."""
    node, other = Node(consortium, 0, limits=limits), Node(consortium, 2)
    async with running(node, other):
        yield node
        await still_works(node, other)
        await still_works(other, node)


def test_a_strangers_certificate_is_refused(consortium: Members, tmp_path: Path) -> None:
    async def main() -> None:
        stranger = tmp_path / "stranger.pem"
        stranger.write_bytes(credential(1).pem)  # in the name of a validator, with a key of its own
        async with attacked(consortium) as node:
            async with connect(node.address, context_of(stranger)) as raw:
                await raw.ended()
            refusal = await node.refusal()
            assert refusal.startswith("LinkRefused: connection from 127.0.0.1:")
            assert "CERTIFICATE_VERIFY_FAILED" in refusal

    run(main())


def test_tls_without_a_certificate_is_refused(consortium: Members) -> None:
    async def main() -> None:
        async with attacked(consortium) as node:
            async with connect(node.address, context_of(None)) as raw:
                await raw.ended()
            assert "PEER_DID_NOT_RETURN_A_CERTIFICATE" in await node.refusal()

    run(main())


def test_tls_1_2_is_refused(consortium: Members) -> None:
    async def main() -> None:
        async with attacked(consortium) as node:
            context = context_of(consortium.files[ONE], version=ssl.TLSVersion.TLSv1_2)
            with pytest.raises((ssl.SSLError, ConnectionError)):
                async with connect(node.address, context):
                    pass
            refusal = await node.refusal()
            assert refusal.startswith("LinkRefused")
            assert "UNSUPPORTED_PROTOCOL" in refusal

    run(main())


@pytest.mark.parametrize("garbage", [b"GET / HTTP/1.1\r\n\r\n", bytes(5_000), b"\x16\x03\x01\xff\xff"])
def test_garbage_is_refused(consortium: Members, garbage: bytes) -> None:
    async def main() -> None:
        async with attacked(consortium) as node:
            async with connect(node.address, None) as raw:
                await raw.send(garbage)
                raw.writer.write_eof()
                await raw.ended()
            assert (await node.refusal()).startswith(("LinkRefused", "LinkFailed"))

    run(main())


def test_who_connects_and_leaves_is_counted(consortium: Members) -> None:
    async def main() -> None:
        async with attacked(consortium) as node:
            async with connect(node.address, None):
                pass
            assert (await node.refusal()).startswith("LinkFailed")

    run(main())


@pytest.mark.parametrize("speaks_tls", [False, True])
def test_who_says_nothing_is_dropped_in_time(consortium: Members, *, speaks_tls: bool) -> None:
    async def main() -> None:
        async with attacked(consortium, limits=LinkLimits(handshake_seconds=1.0)) as node:
            context = consortium.tls(1).client if speaks_tls else None
            async with connect(node.address, context) as raw:
                await raw.ended()
            assert "expected an end within 1.0 s" in await node.refusal()

    run(main())


def test_our_own_certificate_from_elsewhere_is_refused(consortium: Members) -> None:
    async def main() -> None:
        async with attacked(consortium) as node:
            async with connect(node.address, consortium.tls(0).client) as raw:
                await raw.ended()
            assert "expected another validator, got our own certificate" in await node.refusal()

    run(main())


def test_a_validator_of_another_chain_is_refused_and_both_say_so(consortium: Members) -> None:
    async def main() -> None:
        ours, theirs = Node(consortium, 0), Node(consortium, 1, greeting=b"another chain")
        async with running(ours, theirs, connected=False):
            refused = await ours.event(LinkEventKind.INCOMING_REFUSED)
            failed = await theirs.event(LinkEventKind.DIAL_FAILED)
            assert isinstance(refused.error, OtherChain)
            assert isinstance(failed.error, OtherChain)
            assert GREETING.hex() in str(failed.error)
            assert b"another chain".hex() in str(refused.error)
            assert ours.links.connected == theirs.links.connected == frozenset()

    run(main())


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"hello",
        HELLO + b"\0",
        encode(("votes", GREETING)),
        encode(("messages", bytes(257))),
    ],
)
def test_what_is_no_hello_is_refused(consortium: Members, frame: bytes) -> None:
    async def main() -> None:
        async with attacked(consortium) as node:
            async with connect(node.address, consortium.tls(1).client) as raw:
                await raw.send_frame(frame)
                await raw.ended()
            assert (await node.refusal()).startswith("ProtocolBroken: hello of validator 1: expected a purpose")

    run(main())


def test_a_hello_over_its_limit_is_refused_before_it_is_read(consortium: Members) -> None:
    async def main() -> None:
        async with attacked(consortium) as node:
            async with connect(node.address, consortium.tls(1).client) as raw:
                await raw.send((HELLO_BYTES_MAX + 1).to_bytes(4, "big"))
                await raw.ended()
            assert "expected at most 512 bytes, got 513 bytes" in await node.refusal()

    run(main())


def test_half_a_hello_is_refused(consortium: Members) -> None:
    async def main() -> None:
        async with attacked(consortium) as node:
            async with connect(node.address, consortium.tls(1).client) as raw:
                await raw.send(b"\0\0\0\x20half")
            assert (await node.refusal()).startswith("TruncatedFrame")

    run(main())
