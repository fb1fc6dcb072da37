"""A task carried through by commands alone, as an operator and four sites would: prepared, registered, trained."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy

from aggregation.layouts import decode_layout
from aggregation.update_file import encode_update
from node.keystore import KeyPurpose
from tests.participant.served import Served
from tests.quorate.commands import Commands, Ran

TASK = "cardio"
SITES = 4
ROUNDS = 2
EXAMPLES = 100


@dataclass(slots=True, kw_only=True)
class Walk:
    """The network, and where everything lies."""

    served: Served
    folder: Path
    receipts: list[dict[str, Any]]
    """Of all updates, in order."""

    @property
    def url(self) -> str:
        """The first node."""
        return self.served.urls[0]

    @property
    def operator_key(self) -> Path:
        """Operator key of the first organisation."""
        return self.served.network.homes[0].key(KeyPurpose.OPERATOR)

    @property
    def layout(self) -> Path:
        """The task's layout."""
        return self.folder / "task" / "layout.quorate"

    @property
    def node(self) -> tuple[str, ...]:
        """Options that name the first node and the genesis file."""
        return ("--node", self.url, "--genesis", str(self.served.genesis))

    def update(self, number: int, site: int, *, scale: int = 2**14) -> Path:
        """Write a site's update for a round."""
        layout = decode_layout(self.layout.read_bytes())
        chance = np.random.default_rng((number, site))
        row = {
            tensor.name: chance.integers(-scale, scale, tensor.elements, dtype=np.int32) for tensor in layout.tensors
        }
        file = self.folder / f"update-{number}-{site}-{scale}"
        file.write_bytes(encode_update(layout, row))
        return file

    def submit(self, file: Path, site: int, *options: str) -> Ran:
        """Submit an update, on the node of the site's own organisation."""
        where = ("--node", self.served.urls[site], "--genesis", str(self.served.genesis))
        key = str(self.served.sites[site])
        about = ("--task", TASK, "--key", key, "--examples", str(EXAMPLES + site))
        return Commands()("update", "submit", str(file), *about, *where, *options, "--format", "json")


def walked(served: Served, folder: Path) -> Walk:
    """Prepare and register a task, and train it for all its rounds."""
    commands, walk = Commands(), Walk(served=served, folder=folder, receipts=[])
    tensors = {"fc.weight": np.full((3, 4), 0.25, np.float32), "fc.bias": np.zeros(3, np.float32)}
    safetensors.numpy.save_file(tensors, folder / "start.safetensors")
    invited = [option for site in range(SITES) for option in ("--invite", f"org-{site}/site")]
    start = ("--from-model", folder / "start.safetensors", "--out", folder / "task", "--name", TASK)
    commands.data("task", "init", *start, *invited)
    file = folder / "task" / "task.toml"
    agreed = file.read_text().replace("rounds_max = 20", f"rounds_max = {ROUNDS}")
    file.write_text(agreed.replace("round_seconds = 600", "round_seconds = 3600"))
    registered = commands.data("task", "new", file, "--operator-key", walk.operator_key, *walk.node)
    assert (registered["task"], registered["accepted"]) == (TASK, True)
    for number in range(1, ROUNDS + 1):
        for site in range(SITES):
            last = ("--wait",) if site == SITES - 1 else ()
            ran = walk.submit(walk.update(number, site), site, *last)
            assert ran.code == 0, ran.err
            walk.receipts.append(ran.envelope["data"])
    return walk
