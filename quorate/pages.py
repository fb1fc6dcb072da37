"""Pages of the explorer: records as JSON has them, laid out for people."""

from collections.abc import Mapping, Sequence

from participant.words import FATES, norm
from quorate.plain_text import Fields, Shown, Table
from quorate.verdicts import Verdict
from quorate.verification import Step
from quorate.words import OFFENCE_KINDS, Record, entry, kind, listed, moment, short, verdict


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
    columns = ("height", "digest", "time", "by", "txs", "entries", "view", "signed by")
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
            ("proposer", f"validator {header['proposer']}, era {header['era']}" if header["height"] else "nobody"),
            ("committed by", _finality(header["height"], signers)),
            ("state root", header["state_root"]),
            ("log root", header["log_root"]),
            ("log size", f"{header['log_size']:,} entries"),
        ]
    )
    entries = block["entries"]
    return [
        fields,
        *(
            [Table(columns=("position", "entry", "verdict"), rows=[_judged(item) for item in entries])]
            if entries
            else []
        ),
        *_identities("position", {item["receipt"]["position"]: item.get("id") for item in entries}),
        *(
            f"position {item['receipt']['position']}: {verdict(item['receipt']['verdict'])}"
            for item in _refused(entries)
        ),
    ]


def _finality(height: int, signers: list[int]) -> str:
    if height == 0:
        return "nobody: it is the genesis file, which members compare by its digest"
    return f"validators {listed(signers)}" if signers else "a later block's certificate"


def _judged(item: Record) -> tuple[int, str, str]:
    """Return a log entry as a row: its place, what it is about, and who decided what."""
    found = item["receipt"]["verdict"]
    short_verdict = "accepted" if found["kind"] == "Accepted" else f"refused by rule {found['rule']}"
    return (
        item["receipt"]["position"],
        entry(item),
        short_verdict if item["kind"] == "TransactionEntry" else "the chain itself",
    )


def _refused(entries: Sequence[Record]) -> list[Record]:
    return [item for item in entries if item["receipt"]["verdict"]["kind"] == "Rejected"]


def _identities(heading: str, identities: Mapping[int, str | None]) -> list[Shown]:
    """Return transaction ids in full, as `quorate tx` takes them; nothing where there are none."""
    rows = [(place, identity) for place, identity in identities.items() if identity is not None]
    return [Table(columns=(heading, "tx"), rows=rows)] if rows else []


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


def offences_page(found: Sequence[Record]) -> list[Shown]:
    """Return the validators that have contradicted themselves, and how."""
    if not found:
        return ["No validator is on record for having contradicted itself."]
    rows = [
        (
            it["offence"]["offender"],
            OFFENCE_KINDS.get(it["offence"]["kind"], it["offence"]["kind"]),
            it["offence"]["era"],
            it["offence"]["view"],
            it["offence"]["height"] or "-",
            f"block {it['recorded']}, by validator {it['reporter']}",
        )
        for it in found
    ]
    return [
        Table(columns=("validator", "what it did", "era", "view", "height", "on record since"), rows=rows),
        *_identities("offence", dict(enumerate((it["transaction"] for it in found), start=1))),
    ]


def round_page(found: Record, names: dict[int, str]) -> list[Shown]:
    """Return a round: its record, then each invited participant with its fate."""
    round_ = found["round"]
    model = "-" if round_["model"] is None else round_["model"]
    fields = Fields(
        pairs=[
            ("task", f"{round_['task']}, round {round_['round']}"),
            ("status", round_["status"]),
            ("base", f"{round_['task']}@{round_['base_version']} {round_['base']}"),
            ("opened", f"block {round_['opened_height']}, {moment(round_['opened_time'])}"),
            ("deadline", moment(round_["deadline"])),
            ("accepted", f"{round_['accepted']} of {len(round_['invited'])} invited"),
            ("committee", f"validators {listed(round_['committee'])}" if round_["committee"] else "not drawn"),
            (
                "attested by",
                f"validators {listed(list(found['attestations']))}" if found["attestations"] else "nobody",
            ),
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
        )
        for number, did in found["participations"].items()
    ]
    columns = ("number", "participant", "fate", "examples", "weight", "refused")
    fates = sorted({did["fate"] for did in found["participations"].values()} & FATES.keys())
    return [
        fields,
        Table(columns=columns, rows=rows),
        *_identities("number", {int(number): did["transaction"] for number, did in found["participations"].items()}),
        *(f"{fate}: {FATES[fate]}" for fate in fates),
    ]


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
            ("model", f"{spec['name']}@{task['version']} {task['model']}"),
            ("registered", f"block {task['registered']}"),
            ("rule", f"{kind(spec['rule']['kind'])}, tolerates {spec['faulty_max']} faulty"),
            ("weights", kind(spec["weights"]["kind"])),
            ("norm bound", norm(spec["norm_max"])),
            ("updates", f"at least {spec['updates_min']} of {len(spec['invited'])} invited"),
            ("open for", f"{spec['deadline_ms']:,} ms, then {spec['attempt_ms']:,} ms for each attempt to aggregate"),
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
