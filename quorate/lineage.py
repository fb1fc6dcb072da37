"""How a global model came about: its rule, each invited participant with its fate and weight, and the model before.

Read from a `ChainView`, so from verified records where there is an export or a proof. What each input counted comes
from the attested aggregation report, which is a blob and may not be to be had; then shares are left out.
"""

from collections.abc import Mapping
from typing import Any

from aggregation.reports import REPORT_BYTES_MAX, Report, ReportRecord
from aggregation.shares import SHARE_ONE
from ledger.encoding import decode
from ledger.hashing import Digest
from quorate.pages import participant_names
from quorate.plain_text import Tree
from quorate.views import ChainView
from quorate.words import Record, listed, short

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
    """Return the lineage as it is shown: each model with its rule, its inputs, and the model before."""
    youngest, *older = lineage
    children = []
    if youngest["version"] > 0:
        inputs = youngest["inputs"]
        used = sum(it["fate"] == "used" for it in inputs)
        recipe = f"{youngest['rule']}  round {youngest['round']}  {used} of {len(inputs)} invited used"
        children.append(Tree(label=recipe, children=[Tree(label=_input_label(it)) for it in inputs]))
        attested = (
            f"attested by validators {listed(youngest['attesters'])} of committee {listed(youngest['committee'])}"
        )
        children.append(Tree(label=attested))
    if older:
        children.append(tree(older))
    elif youngest["version"] > 0:
        children.append(Tree(label=f"{youngest['task']}@{youngest['version'] - 1}  model {short(youngest['base'])}"))
    return Tree(label=_model_label(youngest), children=children)


def _model_label(found: Record) -> str:
    kind = "  initial model" if found["version"] == 0 else ""
    return f"{found['task']}@{found['version']}  model {short(found['model'])}  block {found['height']}{kind}"


def _input_label(found: Record) -> str:
    parts = [f"{found['participant']} {found['name']}", found["fate"]]
    if found["update"] is not None:
        parts += [
            f"examples {found['examples']:,}",
            f"weight {found['weight']:,}",
            f"update {short(found['update'])}",
            f"tx {short(found['transaction'])}",
        ]
    if found["share"] is not None:
        parts.append(f"share {_percent(found['share'])}")
    if found["duplicate_of"]:
        parts.append(f"same weights as participant {found['duplicate_of']}")
    return "  ".join(parts)


def _percent(share: int) -> str:
    """Return a share, in units of 2^-30, in per cent; integers only, so that every machine prints the same."""
    thousandths = share * 100_000 // SHARE_ONE
    return f"{thousandths // 1_000}.{thousandths % 1_000:03}%"


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
