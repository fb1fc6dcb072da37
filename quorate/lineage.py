"""How a global model came about: its rule, each invited participant with its fate and weight, and the model before.

Read from a `ChainView`, so from verified records where there is an export or a proof. What each input counted comes
from the attested aggregation report, which is a blob and may not be to be had; then shares are left out.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from aggregation.reports import REPORT_BYTES_MAX, Report, ReportRecord
from aggregation.shares import SHARE_ONE
from ledger.encoding import decode
from ledger.hashing import Digest
from ledger.rendering import plain
from participant.words import percent
from quorate.pages import participant_names
from quorate.plain_text import Tree
from quorate.views import ChainView
from quorate.words import Record, kind, listed, short

DEPTH_MAX = 1_000
"""Most models that are followed towards the initial one."""


def trace(view: ChainView, task: str, version: int | None, *, depth: int) -> list[dict[str, Any]]:
    """Return the lineage of a global model, the model itself first, then up to `depth` - 1 before it.

    Raises NotOnChain; InputError for a report that is none.
    """
    registered = view.task(task)
    names = participant_names(view.participants())
    record = view.model(task, version)
    found = [_generation(view, registered, names, record)]
    while record["version"] > 0 and len(found) < min(depth, DEPTH_MAX):
        record = view.model(task, record["version"] - 1)
        found.append(_generation(view, registered, names, record))
    return found


def tree(lineage: list[dict[str, Any]]) -> Tree:
    """Return the lineage as it is shown: one model below the other, each with its round and its inputs."""
    youngest, oldest = lineage[0], lineage[-1]
    models = [Tree(label=_model_label(found), children=[*_round(found)]) for found in lineage]
    if oldest["version"] > 0:
        models.append(Tree(label=f"{oldest['task']}@{oldest['version'] - 1}  model {short(oldest['base'])}"))
    return Tree(label=f"lineage of {youngest['task']}@{youngest['version']}", children=models)


def _model_label(found: Record) -> str:
    origin = "  initial model" if found["version"] == 0 else ""
    return f"{found['task']}@{found['version']}  model {short(found['model'])}  block {found['height']}{origin}"


def _round(found: Record) -> Iterator[Tree]:
    """Yield how a model was made; the initial one was not."""
    if found["version"] == 0:
        return
    inputs = found["inputs"]
    used = sum(it["fate"] == "used" for it in inputs)
    yield Tree(label=f"round {found['round']}  {kind(found['rule'])}  {used} of {len(inputs)} invited used")
    names, fates = (max((len(it[column]) for it in inputs), default=0) for column in ("name", "fate"))
    for it in inputs:
        yield Tree(label=_input_label(it, names=names, fates=fates))
    yield Tree(label=f"attested by {listed(found['attesters'])} of committee {listed(found['committee'])}")


def _input_label(found: Record, *, names: int, fates: int) -> str:
    parts = [f"{found['participant']} {found['name'].ljust(names)}", found["fate"].ljust(fates)]
    if found["share"] is not None:
        parts.append(f"share {percent(found['share'], SHARE_ONE):>8}")
    if found["transaction"] is not None:
        parts.append(f"tx {short(found['transaction'])}")
    if found["duplicate_of"]:
        parts.append(f"same as {found['duplicate_of']}")
    return "  ".join(parts).rstrip()


def _generation(view: ChainView, task: Record, names: Mapping[int, str], record: Record) -> dict[str, Any]:
    """Return one model with what it was made from."""
    found = {
        name: record[name] for name in ("task", "version", "round", "height", "model", "view", "base", "attesters")
    }
    if record["version"] == 0:
        return {**found, "rule": None, "committee": [], "inputs": []}
    round_ = view.round(record["task"], record["round"])
    report = _report(view, record["report"])
    inputs = [
        _input(int(number), names, participation, report.get(int(number)))
        for number, participation in round_["participations"].items()
    ]
    return {
        **found,
        "rule": task["spec"]["rule"]["kind"],
        "committee": round_["round"]["committee"],
        "inputs": inputs,
    }


def _input(number: int, names: Mapping[int, str], did: Record, reported: ReportRecord | None) -> dict[str, Any]:
    return {
        "participant": number,
        "name": names.get(number, "-"),
        "fate": did["fate"],
        "examples": did["examples"],
        "weight": did["weight"],
        "update": did["blob"],
        "transaction": did["transaction"],
        "reason": None if reported is None else plain(reported.reason),
        "share": None if reported is None else reported.coefficient,
        "contribution": None if reported is None else reported.contribution,
        "duplicate_of": None if reported is None else reported.duplicate_of,
    }


def _report(view: ChainView, digest: str) -> dict[int, ReportRecord]:
    """Return the records of an aggregation report by participant; none where the report is not to be had."""
    data = view.blob(Digest(bytes.fromhex(digest)))
    if data is None:
        return {}
    return {record.participant: record for record in decode(data, Report, bytes_max=REPORT_BYTES_MAX).records}
