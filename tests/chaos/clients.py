"""Clients that submit throughout: the same bytes to one validator after the other until somebody says `final`."""

import secrets
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

import httpx

from ledger.encoding import decode, encode
from ledger.entries import TransactionEntry
from ledger.keys import SigningKey
from ledger.light_client import EntryProof
from ledger.transactions import EnrolParticipant
from tests.acceptance.caller import MSGPACK, Caller
from tests.chaos.cluster import Cluster
from tests.chaos.history import Claim, Fate, History, Place, Read, Submission, Taken, Won

WAIT_MS = 2_000
"""How long one validator is waited for."""
CALL_SECONDS = 4.0
GIVE_UP_SECONDS = 90.0
"""After so long a client turns to something else; nobody then knows what became of the transaction."""
CONTESTED_RATIO = 0.3
"""Claims of a name that another client may claim at the same time."""
REPEAT_RATIO = 0.2
"""Submissions that are made once more elsewhere after they were answered: the receipt must be the same."""
READ_RATIO = 0.5
VALID_HEIGHTS = 2_000
"""After so many blocks a transaction can no longer enter one."""
RECENT = 200
"""Transactions that are asked about."""


@dataclass(slots=True)
class Shared:
    """What all clients share."""

    cluster: Cluster
    history: History
    pause_seconds: float
    """Between two actions of one client."""
    recent: deque[str] = field(default_factory=lambda: deque(maxlen=RECENT))
    stopping: threading.Event = field(default_factory=threading.Event)
    answers: list[float] = field(default_factory=list)
    """When submissions were answered: what gaps are measured with."""
    height: int = 0
    """Highest block that an answer has named."""
    refused: dict[str, int] = field(default_factory=dict)
    """Answers that are no receipt, by code."""


class Client(threading.Thread):
    """One client: does one thing at a time."""

    def __init__(self, shared: Shared, number: int, seed: int) -> None:
        super().__init__(name=f"client {number}", daemon=True)
        self._shared = shared
        self._number = number
        self._chance = Random(f"{seed}/{number}")
        self._callers = [shared.cluster.caller(place) for place in range(shared.cluster.size)]
        for caller in self._callers:
            caller.http.timeout = httpx.Timeout(CALL_SECONDS)
        self._count = 0
        self.failure: BaseException | None = None

    def run(self) -> None:
        """Claim and read until told to stop; a claim that was begun is given its time."""
        try:
            while not self._shared.stopping.is_set():
                self._claim()
                if self._chance.random() < READ_RATIO:
                    self._read()
                time.sleep(self._chance.random() * 2 * self._shared.pause_seconds)
        except BaseException as error:  # noqa: BLE001 - told by whoever started it
            self.failure = error
        finally:
            for caller in self._callers:
                caller.http.close()

    def _claim(self) -> None:
        self._count += 1
        organisation = self._chance.randrange(self._shared.cluster.size)
        contested = self._chance.random() < CONTESTED_RATIO
        name = f"common-{self._count // 3}" if contested else f"own-{self._number}-{self._count}"
        body = EnrolParticipant(
            organisation=f"org-{organisation}", name=name, key=SigningKey(secrets.token_bytes(32)).public
        )
        operator = self._shared.cluster.operators[organisation]
        signed = self._callers[0].sign(operator, body, valid_until=self._shared.height + VALID_HEIGHTS)
        raw, identity = encode(signed), signed.transaction.id.hex()
        called = time.monotonic()
        answer, validator = self._submit(raw, identity)
        answered = time.monotonic()
        claim = Claim(organisation=organisation, name=name)
        if answer is None:
            self._shared.history.add(Submission(identity=identity, claim=claim, called=called))
            return
        place, fate = _outcome(answer)
        self._shared.history.add(
            Submission(
                identity=identity,
                claim=claim,
                called=called,
                answered=answered,
                validator=validator,
                place=place,
                fate=fate,
            )
        )
        self._shared.answers.append(answered)
        self._shared.height = max(self._shared.height, place.height)
        self._shared.recent.append(identity)
        if self._chance.random() < REPEAT_RATIO:
            self._repeat(raw, answer)

    def _submit(self, raw: bytes, identity: str) -> tuple[dict[str, Any] | None, int]:
        """Return the answer that says `final`, and whose it was."""
        end = time.monotonic() + GIVE_UP_SECONDS
        validator = -1
        while time.monotonic() < end:
            validator = self._somebody()
            answer = self._ask(lambda caller: caller.post(raw, wait_ms=WAIT_MS), validator)
            if answer is not None and answer.is_success:
                told: dict[str, Any] = answer.json()
                if told["id"] != identity:
                    self._shared.history.accuse(f"validator {validator} answered {identity} with {told}")
                if told["status"] == "final":
                    return told, validator
            elif answer is not None and answer.status_code < 500 and answer.status_code != 429:
                code = str(answer.json().get("code"))
                self._shared.refused[code] = self._shared.refused.get(code, 0) + 1
                if code == "transaction-expired":
                    return None, validator
                if code != "transaction-unknown":
                    self._shared.history.accuse(f"validator {validator} refused {identity}: {answer.text[:200]}")
                    return None, validator
        return None, validator

    def _repeat(self, raw: bytes, answer: dict[str, Any]) -> None:
        """Submit the same bytes elsewhere: whoever knows the block gives the same receipt."""
        validator = self._somebody()
        again = self._ask(lambda caller: caller.post(raw, wait_ms=WAIT_MS), validator)
        if again is None or not again.is_success or again.json()["status"] != "final":
            return
        if again.json() != answer:
            self._shared.history.accuse(f"validator {validator} gave another receipt: {again.json()}, not {answer}")

    def _read(self) -> None:
        """Ask about a transaction, and check the proof that comes with the answer."""
        if not self._shared.recent:
            return
        identity, validator = self._chance.choice(list(self._shared.recent)), self._somebody()
        called = time.monotonic()
        headers = {"Accept": MSGPACK}
        answer = self._ask(lambda caller: caller.http.get(f"/v1/transactions/{identity}", headers=headers), validator)
        if answer is None or answer.status_code not in {200, 404}:
            return
        place = None
        if answer.status_code == httpx.codes.OK and answer.headers["Content-Type"] == MSGPACK:
            entry = self._callers[validator].auditor.verify_entry(decode(answer.content, EntryProof))
            assert isinstance(entry, TransactionEntry)
            if entry.signed.transaction.id.hex() != identity:
                self._shared.history.accuse(f"validator {validator} answered {identity} with another transaction")
            place = Place(height=entry.receipt.height, position=entry.receipt.position)
        self._shared.history.add(
            Read(
                identity=identity,
                validator=validator,
                called=called,
                answered=time.monotonic(),
                height=int(answer.headers["Quorate-Height"]),
                place=place,
            )
        )

    def _somebody(self) -> int:
        return self._chance.choice(self._shared.cluster.serving or [0])

    def _ask(self, question: Callable[[Caller], httpx.Response], validator: int) -> httpx.Response | None:
        try:
            return question(self._callers[validator])
        except httpx.TransportError:
            time.sleep(0.02)
            return None


def _outcome(answer: dict[str, Any]) -> tuple[Place, Fate]:
    place = Place(height=int(answer["height"]), position=int(answer["position"]))
    verdict = answer["receipt"]["verdict"]
    if verdict["kind"] == "Accepted":
        return place, Won(number=int(verdict["values"][0]))
    assert verdict["rule"] == "P3", verdict
    return place, Taken(number=int(verdict["values"][0]))
