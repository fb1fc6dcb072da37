"""Homes of a consortium to be measured: four validators and many members that only train, so that authors are many."""

import time
from dataclasses import dataclass
from pathlib import Path

from ledger.genesis import Genesis, assemble
from ledger.keys import SigningKey
from ledger.parameters import ChainParameters
from ledger.quantities import TimeMs
from node.home import Home, create_member, create_validator
from node.keystore import KeyPurpose
from quorate.ports import free_ports

VALIDATORS = 4
AUTHORS = 64
"""Members whose operator keys sign: a block takes at most `sender_transactions_max` of one author."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Consortium:
    """What a run is made on."""

    folder: Path
    homes: tuple[Home, ...]
    """Of the validators."""
    genesis: Genesis
    authors: dict[str, SigningKey]
    """Operator keys by organisation."""


def make_consortium(folder: Path, *, parameters: ChainParameters) -> Consortium:
    """Make homes and genesis in a folder."""
    homes, descriptors = [], []
    ports = iter(free_ports(3 * VALIDATORS))
    for number in range(VALIDATORS):
        name, home = f"org-{number}", Home(folder / f"org-{number}")
        link, rest, metrics = (f"127.0.0.1:{next(ports)}" for _ in range(3))
        descriptors.append(create_validator(home, organisation=name, link=link, rest=rest, metrics=metrics))
        homes.append(home)
    members = [Home(folder / f"site-{number:02}") for number in range(AUTHORS)]
    descriptors += [create_member(home, organisation=home.path.name) for home in members]
    file = folder / "genesis.json"
    now = TimeMs(time.time_ns() // 1_000_000)
    file.write_bytes(assemble(tuple(descriptors), chain="bench", time=now, parameters=parameters))
    for home in homes:
        home.adopt_genesis(file)
    return Consortium(
        folder=folder,
        homes=tuple(homes),
        genesis=Genesis(file.read_bytes()),
        authors={home.path.name: home.load_key(KeyPurpose.OPERATOR) for home in members},
    )
