"""What four validators live through: two rounds, a primary killed in the second, its return, another's leave, a drain.

Played once; each test looks at one thing that it left behind.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import httpx

from ledger.certificates import CertifiedBlock
from ledger.encoding import encode
from ledger.entries import Receipt
from ledger.hashing import Digest
from ledger.records import GlobalModelRecord
from ledger.tasks import TaskSpec
from ledger.transactions import EnrolParticipant, SignedTransaction
from tests.acceptance.caller import WAIT_MS
from tests.acceptance.network import Network
from tests.acceptance.processes import until
from tests.consortium import signing_key


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """What was seen."""

    task: TaskSpec
    models: tuple[GlobalModelRecord, ...]
    """Of both rounds, as the light client proved them."""
    updates: tuple[tuple[Receipt, ...], ...]
    """Receipts of each round's updates, by site."""
    killed: int
    """Validator that was the primary, and was killed."""
    height_killed: int
    view_killed: int
    view_after: int
    primary_after: int
    caught_up: tuple[bytes, bytes]
    """The head that the others had when it was started again: as it has it, and as another has it."""
    certified_by: tuple[int, ...]
    """Whose votes made the first block final that could not become final without the restarted validator's."""
    leave_code: int
    """Exit code of a validator that was told to end while the others went on."""
    drain_answer: httpx.Response
    """To a call that was held when its validator was told to end."""
    drain_codes: tuple[int, ...]
    settled: Receipt
    """Of the transaction that this call was about, once the validators were back."""


def play(network: Network) -> Story:
    """Let it all happen; in the end all four run again."""
    task = network.open_task(range(4), rounds=2)
    first = [network.take_part(task, site) for site in range(4)]
    models = [network.wait_decided(task, 1)]

    second = [network.take_part(task, site, number=2) for site in range(2)]
    before = network.callers[0].status()
    killed = int(before["primary"])
    alive = [place for place in range(4) if place != killed]
    network.validators[killed].kill()
    second += [network.take_part(task, site, number=2, node=alive[site % 3]) for site in range(2, 4)]
    models.append(network.wait_decided(task, 2, node=alive[0]))
    after = network.callers[alive[0]].status()

    network.start(killed)
    caught_up = tuple(
        encode(network.callers[place].block(network.callers[alive[0]].status()["height"]))
        for place in (killed, alive[0])
    )
    leaver = next(place for place in alive if place != network.callers[killed].status()["primary"])
    leave_code = stop(network, leaver)
    needed = _certified(network, killed, _enrol(network, "voter", member=killed))
    network.start(leaver)
    answer, codes, settled = _drain(network)
    assert needed.certificate is not None
    return Story(
        task=task,
        models=tuple(models),
        updates=(tuple(first), tuple(second)),
        killed=killed,
        height_killed=int(before["height"]),
        view_killed=int(before["view"]),
        view_after=int(after["view"]),
        primary_after=int(after["primary"]),
        caught_up=(caught_up[0], caught_up[1]),
        certified_by=tuple(proof.validator for proof in needed.certificate.commits),
        leave_code=leave_code,
        drain_answer=answer,
        drain_codes=codes,
        settled=settled,
    )


def stop(network: Network, place: int) -> int:
    """Tell a validator to end, and return its exit code."""
    network.validators[place].terminate()
    return network.validators[place].exit_code()


def _enrol(network: Network, name: str, *, member: int) -> SignedTransaction:
    body = EnrolParticipant(organisation=f"org-{member}", name=name, key=signing_key(f"acceptance/{name}").public)
    return network.callers[member].sign(network.operator(member), body)


def _certified(network: Network, place: int, signed: SignedTransaction) -> CertifiedBlock:
    """Let a transaction become final, and return its block with the certificate that a validator has for it."""
    receipt = network.callers[place].settle(encode(signed))
    return network.callers[place].certified(receipt.height)


def _drain(network: Network) -> tuple[httpx.Response, tuple[int, ...], Receipt]:
    """Hold a call that cannot be answered for want of a quorum, end its validator, and bring all back."""
    codes = [stop(network, 2), stop(network, 3)]
    held = network.callers[0]
    signed = _enrol(network, "patient", member=0)
    with ThreadPoolExecutor(1) as background:
        answer = background.submit(held.post, encode(signed), wait_ms=WAIT_MS)
        until(lambda: network.callers[1].status()["mempool_transactions"] > 0, "the transaction with another validator")
        network.validators[0].terminate()
        response = answer.result()
    codes.append(network.validators[0].exit_code())
    network.start(0, 2, 3)
    where = f"/v1/transactions/{signed.transaction.id.hex()}"
    until(lambda: network.callers[1].json(where, wait=WAIT_MS)["status"] == "final", "the transaction that waited")
    return response, tuple(codes), network.callers[0].settle(encode(signed))


def digest_of(text: str) -> Digest:
    """Return a digest that JSON carries in hexadecimal."""
    return Digest(bytes.fromhex(text))
