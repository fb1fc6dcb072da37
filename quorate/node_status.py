"""Where a node stands, or all of them, for `quorate status` and `quorate version --all`."""

import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from participant.node import Request
from quorate.environment import options
from quorate.node_source import NodeSource
from quorate.output import Answer, OutputFormat, write
from quorate.plain_text import Fields, Table
from quorate.reading import well_formed
from quorate.survey import Sighting, places_of
from quorate.survey import ask_all as ask_places
from quorate.words import listed, moment

EXIT_UNWELL = 1
WATCH_SECONDS = 2.0
CLEAR = "\x1b[H\x1b[J"
"""Moves to the upper left corner of a terminal and clears it."""


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


def survey(node: str) -> list[Sighting]:
    """Ask every validator of a node's chain; raises NodeFault if that node does not say who they are."""
    with NodeSource(node, key=None) as source:
        return ask_places(places_of(source.node))


def ask_all(node: str) -> Answer:
    """Return where every validator of a node's chain stands; exit code 1 unless all are well and on one chain."""
    seen = survey(node)
    chains = {it.status["chain_id"] for it in seen if it.status is not None}
    well = len(chains) == 1 and all(_trouble(it) == "" for it in seen)
    rows = [
        (it.place.validator, it.place.organisation, it.place.url or "-", *_standing(it), _trouble(it) or "ok")
        for it in seen
    ]
    columns = ("validator", "organisation", "url", "height", "view", "primary", "head age", "clock", "version", "state")
    return Answer(
        data=[_plain(it) for it in seen],
        shown=[Table(columns=columns, rows=rows)],
        warnings=() if len(chains) <= 1 else (f"they belong to {len(chains)} chains: compare the chain ids",),
        exit_code=0 if well else EXIT_UNWELL,
        next="quorate doctor" + options(node=node, genesis=None),
    )


def versions(node: str) -> Answer:
    """Return which release every validator runs; exit code 1 unless all answer and run the same one."""
    seen = survey(node)
    found = [None if it.status is None else (it.status["software"], it.status["protocol"]) for it in seen]
    rows = [
        (it.place.validator, it.place.organisation, *(("-", "-") if ran is None else ran))
        for it, ran in zip(seen, found, strict=True)
    ]
    return Answer(
        data=[
            {
                "validator": it.place.validator,
                "organisation": it.place.organisation,
                "software": ran and ran[0],
                "protocol": ran and ran[1],
            }
            for it, ran in zip(seen, found, strict=True)
        ],
        shown=[Table(columns=("validator", "organisation", "software", "protocol"), rows=rows)],
        exit_code=0 if None not in found and len(set(found)) == 1 else EXIT_UNWELL,
        next="quorate status --all" + options(node=node, genesis=None),
    )


def watch(node: str, *, every: bool) -> Answer:
    """Ask again and again, until interrupted: in place on a terminal, one answer below the other elsewhere."""
    while True:
        answer = replace(ask_all(node) if every else ask(node), next="")
        if sys.stdout.isatty():
            sys.stdout.write(CLEAR)
        write(answer, OutputFormat.TABLE)
        sys.stdout.flush()
        time.sleep(WATCH_SECONDS)


def _standing(seen: Sighting) -> tuple[object, ...]:
    status = seen.status
    if status is None:
        return ("-",) * 6
    age = max(0, status["clock"] - status["time"]) / 1000
    return (
        f"{status['height']:,}",
        status["view"],
        status["primary"],
        f"{age:,.1f} s",
        f"{seen.offset_ms:+,} ms (+-{seen.error_ms:,})",
        f"{status['software']} / {_protocol(status)}",
    )


def _protocol(status: Mapping[str, Any]) -> str:
    coming = status["upcoming"]
    then = "" if coming is None else f", {coming['version']} from block {coming['height']:,} on"
    return f"{status['protocol']}{then}"


def _trouble(seen: Sighting) -> str:
    """Return what is wrong with a validator, or nothing."""
    status = seen.status
    if status is None:
        return str(seen.error)
    troubles = [f"alarm: {alarm['kind']}" for alarm in status["alarms"]]
    troubles += ["changing the view"] if not status["active"] else []
    troubles += ["behind"] if status["behind"] else []
    troubles += [f"is validator {status['validator']}"] if status["validator"] != seen.place.validator else []
    return listed(troubles) if troubles else ""


def _plain(seen: Sighting) -> dict[str, Any]:
    return {
        "validator": seen.place.validator,
        "organisation": seen.place.organisation,
        "url": seen.place.url,
        "status": seen.status,
        "error": None if seen.error is None else str(seen.error),
        "clock_offset_ms": seen.offset_ms if seen.status is not None else None,
        "clock_error_ms": seen.error_ms if seen.status is not None else None,
    }


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
            ("release", f"{found['software']}, protocol {_protocol(found)}"),
            ("alarms", listed([f"{it['kind']} ({it['level']}): {it['detail']}" for it in found["alarms"]])),
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
        (
            it["validator"],
            "up" if it["connected"] else "down",
            "-" if it["head"] is None else f"{it['head']:,}",
            "-" if it["clock_offset_ms"] is None else f"{it['clock_offset_ms']:+,} ms (+-{it['clock_error_ms']:,})",
        )
        for it in found["peers"]
    ]
    return Table(columns=("peer", "link", "height", "clock"), rows=rows)
