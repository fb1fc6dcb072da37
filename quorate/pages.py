"""Pages of the explorer: records as JSON has them, laid out for people."""

from collections.abc import Mapping, Sequence

from quorate.plain_text import Fields, Shown, Table
from quorate.verdicts import Verdict
from quorate.verification import Step
from quorate.words import FATES, Record, entry, listed, moment, short, verdict


def participant_names(participants: Mapping[int, Record]) -> dict[int, str]:
    """Return how each training site is called: its organisation, then its own name."""
    return {number: f"{record['organisation']}/{record['name']}" for number, record in participants.items()}


def blocks_page(blocks: Sequence[Record]) -> list[Shown]:
    """Return the newest blocks, one a row."""
    rows = [
        (
            block["height"],
            short(block["digest"]),
            moment(block["time"]),
            block["proposer"],
            block["transactions"],
            block["entries"],
            "-" if block["view"] is None else block["view"],
            listed(block["signers"]),
        )
        for block in blocks
    ]
    columns = ("height", "digest", "time", "proposer", "transactions", "entries", "view", "signed by")
    return [Table(columns=columns, rows=rows)]


def block_page(block: Record) -> list[Shown]:
    """Return a block: its header, then its entries with their verdicts."""
    header, certificate = block["header"], block["certificate"]
    signers = [] if certificate is None else [proof["validator"] for proof in certificate["commits"]]
    fields = Fields(
        pairs=[
            ("block", header["height"]),
            ("digest", block["digest"]),
            ("parent", header["parent"]),
            ("time", moment(header["time"])),
            ("proposer", f"validator {header['proposer']}, era {header['era']}"),
            ("committed by", f"validators {listed(signers)}" if signers else "a later block's certificate"),
            ("state root", header["state_root"]),
            ("log", f"{header['log_size']:,} entries, root {header['log_root']}"),
        ]
    )
    rows = [
        (
            item["receipt"]["position"],
            short(item["id"]) if "id" in item else "-",
            entry(item),
            verdict(item["receipt"]["verdict"]) if item["kind"] == "TransactionEntry" else "the chain itself",
        )
        for item in block["entries"]
    ]
    return [fields, Table(columns=("position", "tx", "entry", "verdict"), rows=rows)]


def transaction_page(found: Record) -> list[Shown]:
    """Return a transaction: what it asks for, where it stands and how it was judged."""
    if found["status"] != "final":
        return [Fields(pairs=[("tx", found["id"]), ("status", "waiting for a block")])]
    transaction = found["entry"]["signed"]["transaction"]
    return [
        Fields(
            pairs=[
                ("tx", found["id"]),
                ("asks to", entry(found["entry"])),
                ("verdict", verdict(found["receipt"]["verdict"])),
                ("block", f"{found['height']}, position {found['position']}"),
                ("log index", found["log_index"]),
                ("author", transaction["author"]),
                ("valid until", f"block {transaction['valid_until']}"),
            ]
        )
    ]


def round_page(found: Record, names: dict[int, str]) -> list[Shown]:
    """Return a round: its record, then each invited participant with its fate."""
    round_ = found["round"]
    model = "-" if round_["model"] is None else round_["model"]
    fields = Fields(
        pairs=[
            ("task", f"{round_['task']}, round {round_['round']}"),
            ("status", round_["status"]),
            ("base", f"{round_['task']}@{round_['base_version']}  {round_['base']}"),
            ("opened", f"block {round_['opened_height']}, {moment(round_['opened_time'])}"),
            ("deadline", moment(round_["deadline"])),
            ("accepted", f"{round_['accepted']} of {len(round_['invited'])} invited"),
            ("committee", f"validators {listed(round_['committee'])}" if round_["committee"] else "not drawn"),
            ("attested by", f"validators {listed(list(found['attestations']))}"),
            ("model", model),
        ]
    )
    rows = [
        (
            number,
            names.get(int(number), "-"),
            did["fate"] or ("accepted" if did["blob"] else "-"),
            f"{did['examples']:,}",
            f"{did['weight']:,}",
            did["attempts"],
            "-" if did["transaction"] is None else short(did["transaction"]),
        )
        for number, did in found["participations"].items()
    ]
    columns = ("number", "participant", "fate", "examples", "weight", "refused", "tx")
    fates = sorted({did["fate"] for did in found["participations"].values()} & FATES.keys())
    return [fields, Table(columns=columns, rows=rows), *(f"{fate}: {FATES[fate]}" for fate in fates)]


def model_page(model: Record) -> list[Shown]:
    """Return the record of a global model."""
    pairs = [
        ("model", f"{model['task']}@{model['version']}"),
        ("digest", model["model"]),
        ("float32 view", model["view"]),
        ("block", model["height"]),
    ]
    if model["version"] > 0:
        pairs += [
            ("round", model["round"]),
            ("base", model["base"]),
            ("recipe", model["rule"]),
            ("inputs root", model["inputs_root"]),
            ("report", model["report"]),
            ("attested by", f"validators {listed(model['attesters'])}"),
        ]
    return [Fields(pairs=pairs)]


def task_page(task: Record, names: dict[int, str]) -> list[Shown]:
    """Return a task: what was agreed on, how far it is, and who is invited."""
    spec = task["spec"]
    fields = Fields(
        pairs=[
            ("task", spec["name"]),
            ("status", f"{task['status']}, round {task['round']} of {spec['rounds_max']}"),
            ("model", f"{spec['name']}@{task['version']}  {task['model']}"),
            ("registered", f"block {task['registered']}"),
            ("rule", f"{spec['rule']['kind']}, tolerates {spec['faulty_max']} faulty, {spec['weights']['kind']}"),
            ("norm bound", f"{spec['norm_max']} * 2^-30"),
            ("updates", f"at least {spec['updates_min']} of {len(spec['invited'])} invited"),
            ("round open for", f"{spec['deadline_ms']:,} ms, then {spec['attempt_ms']:,} ms an attempt"),
            ("committee", f"{spec['committee_size']} validators"),
            ("updates kept", f"for {spec['retain_rounds']} rounds"),
            ("layout", spec["layout"]),
            ("recipe", task["rule_digest"]),
        ]
    )
    rows = [(it["participant"], names.get(it["participant"], "-"), f"{it['examples_max']:,}") for it in spec["invited"]]
    return [fields, Table(columns=("number", "participant", "examples at most"), rows=rows)]


def verdict_page(found: Verdict) -> list[Shown]:
    """Return a verification: each step with what passed it, then the verdict."""
    rows = [
        (_mark(found, step), step.number, step.title, f"{found.report.passed.get(step, 0):,}", step.claim)
        for step in Step
    ]
    values = found.values
    pairs = [
        (name.replace("_", " "), values[name]) for name in ("chain", "chain_id", "height", "head") if name in values
    ]
    return [
        Table(columns=("", "step", "what", "passed", "claim"), rows=rows),
        *([Fields(pairs=pairs)] if pairs else []),
        found.outcome.upper(),
    ]


def _mark(found: Verdict, step: Step) -> str:
    """Return how a step stands: passed, failed, undecided, or not reached or asked for."""
    if step in found.report.lacking:
        return "??"
    if found.report.current is not None and found.report.current[0] is step:
        return "!!"
    return "ok" if step in found.report.passed else "--"
