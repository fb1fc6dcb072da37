"""The page of all errors, `docs/errors.md`, made from the classes themselves: `python -m quorate.reference`.

Whoever meets a code in a log, a problem document or an envelope finds there what it means and what to do.
"""

import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from pathlib import Path

from ledger.errors import QuorateError

PACKAGES = ("ledger", "consensus", "contracts", "aggregation", "node", "participant", "quorate")
_DEMO = "quorate.demo"
"""Left out: it needs an extra, and raises what the others define."""
PAGE = Path(__file__).parents[1] / "docs" / "errors.md"

_INTRODUCTION = """\
<!-- Made by `make docs` from the classes; edit those. -->

# Errors

Every error that normal operation may raise has a stable code: the command line shows it in brackets, JSON envelopes
and problem documents (RFC 9457) carry it as `code`, and a node explains it at `/problems/CODE`. HTTP is the status of
the node's answer, exit the exit code of the command line: 1 negative verdict, 2 usage or configuration, 3 undecided or
unreachable, 4 not authorised, 5 not found, 70 a bug of ours.

"""


def error_classes() -> list[type[QuorateError]]:
    """Return every error class of every package, by code; imports all modules but the demo's."""
    for package in PACKAGES:
        for module in pkgutil.walk_packages(importlib.import_module(package).__path__, prefix=f"{package}."):
            if not module.name.endswith(".__main__") and not module.name.startswith(_DEMO):
                importlib.import_module(module.name)
    return sorted(dict.fromkeys(_descendants(QuorateError)), key=lambda kind: (kind.code, kind.__qualname__))


def page() -> str:
    """Return the page: the tree, then every code."""
    classes = [kind for kind in error_classes() if kind.__module__.partition(".")[0] in PACKAGES]
    parts = [_INTRODUCTION, "## The tree\n\n```\n", *(_tree(QuorateError, classes, "", "")), "```\n\n## Codes\n"]
    parts += [_section(kind) for kind in classes]
    return "".join(parts)


def _descendants(kind: type[QuorateError]) -> Iterator[type[QuorateError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from _descendants(child)


def _tree(kind: type[QuorateError], classes: list[type[QuorateError]], first: str, indent: str) -> Iterator[str]:
    yield f"{first}{kind.__name__} ({kind.code})\n"
    children = [child for child in classes if child.__base__ is kind]
    for place, child in enumerate(children):
        is_last = place == len(children) - 1
        yield from _tree(
            child, classes, indent + ("└── " if is_last else "├── "), indent + ("    " if is_last else "│   ")
        )


def _section(kind: type[QuorateError]) -> str:
    meaning = " ".join((inspect.getdoc(kind) or "").split())
    hint = f"\n\nWhat to do: {kind.hint}" if kind.hint else ""
    return (
        f"\n### {kind.code}\n\n{meaning}{hint}\n\n"
        f"`{kind.__module__}.{kind.__qualname__}`, HTTP {kind.http_status}, exit {kind.exit_code}.\n"
    )


def main() -> None:
    """Write the page."""
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
