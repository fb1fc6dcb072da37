"""Planting a bug: a few words of one function are replaced, wherever that function is known."""

import importlib
import inspect
import sys
import textwrap
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import Any
from unittest import mock

OURS = ("ledger", "consensus", "tests.simulation")


class NotPlanted(Exception):
    """The function has other words by now: the mutation must follow it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutation:
    """One function with other words in it."""

    where: str
    """Module and name, such as `consensus.tally:Tally.add`."""
    changes: tuple[tuple[str, str], ...]
    """Old and new words; the old ones stand there once."""

    @contextmanager
    def planted(self) -> Iterator[None]:
        """Let the mutant stand in for the function; raises NotPlanted where its words are not there once."""
        module_name, _, path = self.where.partition(":")
        module = importlib.import_module(module_name)
        *outer, name = path.split(".")
        owner: Any = module
        for part in outer:
            owner = getattr(owner, part)
        original = inspect.getattr_static(owner, name)
        function: Any = original.fget if isinstance(original, property) else original
        source = textwrap.dedent(inspect.getsource(function))
        for old, new in self.changes:
            if source.count(old) != 1:
                raise NotPlanted(f"{self.where} has {old!r} {source.count(old)} times, not once")
            source = source.replace(old, new)
        mutant = _compiled(source, name, module)
        with ExitStack() as stack:
            for holder in [owner, *_holders(original)]:
                stack.enter_context(mock.patch.object(holder, name, mutant))
            yield


def _compiled(source: str, name: str, module: ModuleType) -> Any:
    scope: dict[str, Any] = {}
    exec(compile(source, f"mutant of {module.__name__}", "exec"), module.__dict__, scope)  # noqa: S102 - that is the point
    return scope[name]


def _holders(original: object) -> list[ModuleType]:
    """Return the modules that have imported a function by its name."""
    modules = [module for name, module in sys.modules.items() if name.startswith(OURS)]
    name = getattr(original, "__name__", "")
    return [module for module in modules if name and module.__dict__.get(name) is original]
