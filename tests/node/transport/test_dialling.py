"""Whoever answers our dialling and is not the peer that must be there is refused with a reason."""

import asyncio
import ssl
from pathlib import Path

import pytest

from ledger.encoding import encode
from ledger.quantities import ValidatorId
from node.transport.errors import LinkFailed, LinkRefused, ProtocolBroken
from node.transport.handshake import Hello, LinkPurpose, dial
from node.transport.limits import LinkLimits
from tests.node.transport.credentials import Members, credential, members
from tests.node.transport.network import GREETING, Node, run, running, still_works
from tests.node.transport.raw_ends import Raw, accepting

ONE = ValidatorId(1)


async def dial_failure(node: Node, address: tuple[str, int]) -> str:
    """Dial what should be validator 1."""
    with pytest.raises((LinkRefused, LinkFailed, ProtocolBroken)) as caught:
        await dial(node.endpoint, ONE, address, LinkPurpose.MESSAGES)
    await asyncio.sleep(0)
    return f"{caught.type.__name__}: {caught.value}"


def test_another_validator_than_dialled_is_refused(consortium: Members) -> None:
    async def main() -> None:
        node, other = Node(consortium, 0), Node(consortium, 2)
        async with running(node, other):
            failure = await dial_failure(node, other.address)
            assert failure.startswith("LinkRefused: dialling validator 1 at 127.0.0.1:")
            assert failure.endswith("expected validator 1, got validator 2")
            await still_works(node, other)

    run(main())


def test_dialling_oneself_is_refused(consortium: Members) -> None:
    async def main() -> None:
        node = Node(consortium, 0)
        async with running(node):
            assert (await dial_failure(node, node.address)).endswith("got our own certificate")

    run(main())


async def idle(raw: Raw) -> None:
    """Neither answer nor close."""
    await raw.ended()


async def hang_up(raw: Raw) -> None:
    """Take the hello and close."""
    await raw.read_frame()


def test_a_peer_with_a_strangers_certificate_is_refused(consortium: Members, tmp_path: Path) -> None:
    async def main() -> None:
        file = tmp_path / "stranger.pem"
        file.write_bytes(credential(1).pem)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        node = Node(consortium, 0)
        async with running(node), accepting(idle, context) as address:
            assert "CERTIFICATE_VERIFY_FAILED" in await dial_failure(node, address)

    run(main())


def test_a_peer_that_speaks_no_tls_is_refused(consortium: Members) -> None:
    async def banner(raw: Raw) -> None:
        await raw.send(b"220 mail.example ESMTP\r\n")
        await raw.ended()

    async def main() -> None:
        node = Node(consortium, 0)
        async with running(node), accepting(banner, None) as address:
            assert (await dial_failure(node, address)).startswith("LinkRefused")

    run(main())


def test_a_peer_that_refuses_us_is_noticed_before_the_link_counts(consortium: Members, tmp_path: Path) -> None:
    async def main() -> None:
        # A set that records another certificate for validator 0: what 1 believes, and we do not.
        believed = members(tmp_path)
        file = tmp_path / "one.pem"
        file.write_bytes(consortium.files[ONE].read_bytes())
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_cert_chain(file)
        context.load_verify_locations(cadata=believed.validators.members[0].link_certificate)
        node = Node(consortium, 0)
        async with running(node), accepting(idle, context) as address:
            assert (await dial_failure(node, address)).startswith(("LinkRefused", "LinkFailed"))

    run(main())


def test_a_peer_that_hangs_up_on_the_hello_is_a_failure(consortium: Members) -> None:
    async def main() -> None:
        node = Node(consortium, 0)
        async with running(node), accepting(hang_up, consortium.tls(1).server) as address:
            assert (await dial_failure(node, address)).startswith("LinkFailed")

    run(main())


def test_a_peer_that_never_answers_the_hello_is_given_up(consortium: Members) -> None:
    async def main() -> None:
        node = Node(consortium, 0, limits=LinkLimits(handshake_seconds=1.0))
        async with running(node), accepting(idle, consortium.tls(1).server) as address:
            assert "expected an end within 1.0 s, got none" in await dial_failure(node, address)

    run(main())


def test_a_peer_that_answers_for_another_purpose_breaks_the_protocol(consortium: Members) -> None:
    async def answer(raw: Raw) -> None:
        await raw.read_frame()
        await raw.send_frame(encode(Hello(purpose=LinkPurpose.BLOBS, greeting=GREETING)))
        await raw.ended()

    async def main() -> None:
        node = Node(consortium, 0)
        async with running(node), accepting(answer, consortium.tls(1).server) as address:
            assert (await dial_failure(node, address)).startswith("ProtocolBroken")

    run(main())


def test_nobody_there_is_a_failure(consortium: Members) -> None:
    async def main() -> None:
        node, gone = Node(consortium, 0), Node(consortium, 1)
        async with running(node):
            gone.start({})
            await gone.links.close()
            assert (await dial_failure(node, gone.address)).startswith("LinkFailed: dialling validator 1 at 127")

    run(main())
