"""What the environment says where options do not: the home, the node to ask, the genesis file to trust."""

import os
import shlex
from pathlib import Path

HOME_VARIABLE = "QUORATE_HOME"
NODE_VARIABLE = "QUORATE_NODE"
GENESIS_VARIABLE = "QUORATE_GENESIS"
NODE_DEFAULT = "http://127.0.0.1:7451"
"""Where a node listens for callers unless its settings say otherwise."""


def options(*, node: str | None, genesis: Path | None) -> str:
    """Return the options by which a further command asks the same node, if any, and trusts the same file."""
    asked = "" if node in {None, os.environ.get(NODE_VARIABLE, NODE_DEFAULT)} else f" --node {node}"
    is_known = genesis is None or str(genesis) == os.environ.get(GENESIS_VARIABLE)
    return asked if is_known else f"{asked} --genesis {shlex.quote(str(genesis))}"


def export(*, node: str, genesis: Path) -> str:
    """Return the shell command after which commands need neither option."""
    return f"export {NODE_VARIABLE}={node} {GENESIS_VARIABLE}={shlex.quote(str(genesis))}"
