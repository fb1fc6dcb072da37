"""What users of this package install beside it is under permissive licences, and so is the package itself."""

import tomllib
from collections.abc import Mapping
from hashlib import sha256
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent
PERMISSIVE = {
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "HPND",
    "ISC",
    "MIT",
    "MIT-0",
    "PSF-2.0",
    "Unlicense",
    "Zlib",
}
"""SPDX identifiers."""
PERMISSIVE_CLASSIFIERS = {
    "Apache Software License",
    "BSD License",
    "ISC License (ISCL)",
    "MIT License",
    "Python Software Foundation License",
}
"""What distributions without an SPDX expression say."""
DECIDED = {"certifi": "Mozilla Public License 2.0 (MPL 2.0)"}
"""By name, beside the rule: certifi's list of certificates is data that we pass on unchanged."""
OWN = "quorate (pyproject.toml)"
APACHE_2_SHA256 = "a0b9af0d1614b5e8f3004aaf2092bf005b64398ef067ca868d81a8beeb6cb0b5"
"""Of the licence's words, one space between them."""


def locked() -> dict[str, tuple[Requirement, list[str]]]:
    """Return what requirements.txt pins, by name, each with who wants it."""
    found: dict[str, tuple[Requirement, list[str]]] = {}
    wanted_by: list[str] = []
    for line in (ROOT / "requirements.txt").read_text().splitlines():
        if line.startswith("    #"):
            wanted_by += [line.removeprefix("    #").strip().removeprefix("via").strip()]
        elif line and not line.startswith("#"):
            requirement, wanted_by = Requirement(line), []
            found[requirement.name] = (requirement, wanted_by)
    return found


def for_users(pinned: Mapping[str, tuple[Requirement, list[str]]]) -> dict[str, Requirement]:
    """Return what is pinned for more than development: needed by the package or its demo, however indirectly."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    direct = {Requirement(line).name for line in [*project["dependencies"], *project["optional-dependencies"]["demo"]]}
    assert all(OWN in pinned[name][1] for name in direct)
    found: set[str] = set()
    while fresh := {name for name, (_, by) in pinned.items() if name in direct or found & set(by)} - found:
        found |= fresh
    return {name: pinned[name][0] for name in sorted(found)}


def is_permissive(name: str, expression: str | None, classifiers: list[str]) -> bool:
    """Judge by the SPDX expression if there is one, by all classifiers otherwise."""
    if expression is not None:
        choices = [choice.split(" AND ") for choice in expression.split(" OR ")]
        return any(PERMISSIVE.issuperset(choice) for choice in choices)
    licences = [it.rpartition(" :: ")[2] for it in classifiers if it.startswith("License :: OSI Approved :: ")]
    return bool(licences) and {DECIDED.get(name), *PERMISSIVE_CLASSIFIERS}.issuperset(licences)


USED = for_users(locked())


@pytest.mark.parametrize("name", USED)
def test_a_dependency_is_under_a_permissive_licence(name: str) -> None:
    marker = USED[name].marker
    if marker is not None and not marker.evaluate():
        pytest.skip(f"{name} is not installed on this system")
    about = metadata.metadata(name)
    expression = next(iter(about.get_all("License-Expression") or []), None)
    classifiers = about.get_all("Classifier") or []
    assert is_permissive(name, expression, classifiers), f"{name} {about['Version']}: {expression or classifiers}"


def test_the_lock_tells_users_from_developers() -> None:
    assert {"starlette", "numpy", "scikit-learn", "certifi"} <= USED.keys()
    assert not {"pytest", "mypy", "ruff", "hypothesis", "pathspec"} & USED.keys()


@pytest.mark.parametrize(
    "expression", ["GPL-3.0-or-later", "MIT AND LGPL-2.1-only", "AGPL-3.0-only OR SSPL-1.0", "MPL-2.0", "MIT AND", ""]
)
def test_another_licence_is_noticed(expression: str) -> None:
    assert not is_permissive("any", expression, [])


def test_a_distribution_that_says_nothing_is_noticed() -> None:
    assert not is_permissive("any", None, [])
    assert not is_permissive("any", None, ["License :: OSI Approved :: Mozilla Public License 2.0 (MPL 2.0)"])


def test_the_package_itself_is_under_apache_2() -> None:
    words = " ".join((ROOT / "LICENSE").read_text().split())
    assert words.startswith("Apache License Version 2.0, January 2004")
    assert sha256(words.encode()).hexdigest() == APACHE_2_SHA256
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert (project["license"], project["license-files"]) == ("Apache-2.0", ["LICENSE"])


def test_the_lock_pins_releases_and_no_builds() -> None:
    """A local version, such as 2.13.0+cpu, is on no public index: which build it is, is the user's choice."""
    assert [line for line in (ROOT / "requirements.txt").read_text().splitlines() if "==" in line and "+" in line] == []
