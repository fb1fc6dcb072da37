"""Where a node stands, for `quorate node status`."""

from typing import Any

from participant.node import Request
from quorate.environment import options
from quorate.node_source import NodeSource
from quorate.output import Answer
from quorate.plain_text import Fields, Table
from quorate.reading import well_formed
from quorate.words import moment

EXIT_UNWELL = 1


def ask(node: str) -> Answer:
    """Return a node's answer; exit code 1 if callers should not be sent to it."""
    with NodeSource(node, key=None) as source, well_formed(node):
        found = source.node.json(Request(method="GET", path="/v1/status"), dict[str, Any])
        healthy = found["active"] and not found["behind"]
        return Answer(
            data=found,
            shown=[_fields(found, healthy=healthy), _peers(found)],
            exit_code=0 if healthy else EXIT_UNWELL,
            next="quorate blocks" + options(node=node, genesis=None),
        )


def _fields(found: dict[str, Any], *, healthy: bool) -> Fields:
    return Fields(
        pairs=[
            ("chain", found["chain"]),
            ("chain id", found["chain_id"]),
            ("validator", f"{found['validator']} of {found['validators']}, {found['organisation']}"),
            ("height", f"{found['height']:,}"),
            ("head", found["head"]),
            ("time", moment(found["time"])),
            ("view", f"{found['view']} of era {found['era']}, primary is validator {found['primary']}"),
            ("waiting", f"{found['mempool_transactions']:,} transactions"),
            ("snapshots", _snapshots(found)),
            ("blobs", f"{found['blob_bytes']:,} bytes"),
            ("health", "ok" if healthy else "changing the view" if not found["active"] else "behind the others"),
        ]
    )


def _snapshots(found: dict[str, Any]) -> str:
    parts = ["none kept" if found["snapshot"] is None else f"newest at height {found['snapshot']:,}"]
    if found["base"]:
        parts.append(f"no blocks up to {found['base']:,}")
    joining = found["joining"]
    if joining is not None:
        here, ranges = joining["ranges_here"], joining["ranges"]
        parts.append(f"joining at height {joining['height']:,}: {here:,} of {ranges:,} ranges")
    return "; ".join(parts)


def _peers(found: dict[str, Any]) -> Table:
    rows = [
        (it["validator"], "up" if it["connected"] else "down", "-" if it["head"] is None else f"{it['head']:,}")
        for it in found["peers"]
    ]
    return Table(columns=("peer", "link", "height"), rows=rows)
