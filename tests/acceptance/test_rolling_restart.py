"""An upgrade as operators do it: every validator is told to end and started again, one after the other, under load."""

import itertools
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from ledger.encoding import encode
from ledger.entries import Accepted
from ledger.genesis import Genesis
from ledger.transactions import EnrolParticipant
from tests.acceptance.caller import Caller
from tests.acceptance.network import Network
from tests.acceptance.processes import make_validators, until
from tests.consortium import signing_key

pytestmark = [pytest.mark.processes]

CLIENTS = 3
SETTLED_BETWEEN = 5
"""Transactions that must become final, everywhere in turn, before the next validator is restarted."""
VIEWS_MAX = 8
"""Twice as many as there are validators: each restart may cost the primary its view once; a storm costs many."""


@dataclass
class Client:
    """Submits one transaction after the other, each to whoever answers, the same bytes until one says it is final."""

    number: int
    network: Network
    ending: threading.Event
    acknowledged: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)

    def run(self) -> None:
        callers = [Caller(validator.url, self.network.genesis) for validator in self.network.validators]
        turns = itertools.cycle(callers)
        try:
            for name in (f"client-{self.number}-{count}" for count in itertools.count()):
                if self.ending.is_set():
                    return
                self._settle(name, turns)
        finally:
            for caller in callers:
                caller.http.close()

    def _settle(self, name: str, turns: Iterator[Caller]) -> None:
        body = EnrolParticipant(organisation="org-0", name=name, key=signing_key(name).public)
        first = next(turns)
        signed = first.sign(self.network.operator(), body)
        for caller in itertools.chain([first], turns):
            try:
                answer = caller.post(encode(signed), wait_ms=2_000)
            except httpx.TransportError:
                continue  # it is being restarted
            if answer.status_code not in {200, 202, 503}:
                self.unexpected.append(answer.text)
                return
            if answer.status_code == httpx.codes.OK and answer.json()["status"] == "final":
                self.acknowledged.append(signed.transaction.id.hex())
                return


def fresh_network(folder: Path) -> Network:
    validators = make_validators(folder)
    genesis = Genesis((folder / "genesis.json").read_bytes())
    return Network(
        folder=folder,
        genesis=genesis,
        validators=validators,
        callers=[Caller(validator.url, genesis, log_tail=validator.log_tail) for validator in validators],
    )


def test_a_rolling_restart_under_load_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    network, ending = fresh_network(tmp_path), threading.Event()
    clients = [Client(number, network, ending) for number in range(CLIENTS)]
    threads = [threading.Thread(target=client.run) for client in clients]
    try:
        network.start(*range(4))
        for thread in threads:
            thread.start()
        for place in range(4):
            settle_some(clients)
            network.validators[place].terminate()
            assert network.validators[place].exit_code() == 0
            settle_some(clients)
            network.start(place)
        settle_some(clients)
        ending.set()
        for thread in threads:
            thread.join()
        check(network, clients)
    finally:
        ending.set()
        for validator, caller in zip(network.validators, network.callers, strict=True):
            caller.http.close()
            if validator.is_running:
                validator.kill()


def settle_some(clients: list[Client]) -> None:
    """Wait until more transactions have become final."""
    aim = sum(len(client.acknowledged) for client in clients) + SETTLED_BETWEEN
    until(lambda: sum(len(client.acknowledged) for client in clients) >= aim, "transactions become final")


def check(network: Network, clients: list[Client]) -> None:
    acknowledged = [identity for client in clients for identity in client.acknowledged]
    assert not [text for client in clients for text in client.unexpected]
    assert len(acknowledged) == len(set(acknowledged)) >= SETTLED_BETWEEN * 9
    top = max(caller.status()["height"] for caller in network.callers)
    until(lambda: all(caller.status()["height"] >= top for caller in network.callers), "everybody is there")
    receipts = [[receipt(caller, identity) for identity in acknowledged] for caller in network.callers]
    assert all(found == receipts[0] for found in receipts)
    assert all(found["verdict"]["kind"] == Accepted.__name__ for found in receipts[0])
    assert len({(found["height"], found["position"]) for found in receipts[0]}) == len(acknowledged), "each once"
    assert len({encode(caller.block(top)) for caller in network.callers}) == 1
    assert all(caller.status()["view"] <= VIEWS_MAX for caller in network.callers)
    assert not [error for validator in network.validators for error in validator.errors()]


def receipt(caller: Caller, identity: str) -> dict[str, Any]:
    found = caller.json(f"/v1/transactions/{identity}")
    assert found["status"] == "final"
    told: dict[str, Any] = found["receipt"]
    return told
