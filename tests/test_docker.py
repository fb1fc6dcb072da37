"""The container files, checked without a container: what they name exists, and nothing in them runs as root."""

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from ledger.genesis import Genesis
from node.home import Home
from tests.quorate.commands import Commands

ROOT = Path(__file__).parent.parent
DOCKER = ROOT / "docker"
MEMBERS = ("aldermoor", "birchfield", "castlewick", "dunmere")
Stage = list[tuple[str, str]]
"""Instructions and what follows them."""


@pytest.fixture(scope="module")
def stages() -> list[Stage]:
    """Return the Dockerfile's instructions by stage; those before the first stage come first."""
    text = re.sub(r"^#.*\n", "", (DOCKER / "Dockerfile").read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    found: list[Stage] = [[]]
    for line in filter(None, map(str.strip, text.splitlines())):
        name, _, rest = line.partition(" ")
        if name == "FROM":
            found.append([])
        found[-1].append((name, rest))
    return found


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((DOCKER / "compose.yaml").read_text())
    return found


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder in which make-homes.sh has run, twice."""
    folder = tmp_path_factory.mktemp("homes")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    for _ in range(2):
        ran = subprocess.run(
            ["/bin/sh", DOCKER / "make-homes.sh", folder],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "PATH": path},
        )
        assert ran.returncode == 0, ran.stderr
    return folder


def values(stage: Stage, name: str) -> list[str]:
    return [rest for instruction, rest in stage if instruction == name]


def validators(compose: dict[str, Any]) -> dict[str, Any]:
    return {name: service for name, service in compose["services"].items() if name != "homes"}


def test_both_stages_stand_on_one_base_of_a_fixed_version(stages: list[Stage]) -> None:
    before, build, final = stages
    assert values(before, "ARG") == [
        rest for rest in values(before, "ARG") if re.fullmatch(r"BASE=.*:3\.11\.\d+-.*", rest)
    ]
    assert [values(build, "FROM"), values(final, "FROM")] == [["${BASE} AS build"], ["${BASE}"]]


def test_the_final_stage_has_no_compiler_and_no_installer(stages: list[Stage]) -> None:
    commands = " ".join(values(stages[-1], "RUN"))
    assert not re.search(r"\b(apt-get|pip|gcc|curl|wget)\b", commands)
    assert any("gcc" in command for command in values(stages[1], "RUN"))


def test_the_process_has_no_root_rights_and_ends_on_sigterm(stages: list[Stage]) -> None:
    final = stages[-1]
    assert values(final, "USER") == ["10001:10001"]
    names = [name for name, _ in final]
    assert "RUN" not in names[names.index("USER") :]
    assert values(final, "STOPSIGNAL") == ["SIGTERM"]
    assert json.loads(*values(final, "ENTRYPOINT")) == ["quorate"], "as a list: a shell would keep the signal to itself"


def test_no_tools_of_development_are_installed(stages: list[Stage]) -> None:
    commands = " ".join(values(stages[1], "RUN"))
    assert "-c requirements.txt" in commands
    assert "-r requirements.txt" not in commands
    assert "[dev]" not in commands


def test_everything_that_is_copied_exists_and_every_package_is_copied(stages: list[Stage]) -> None:
    copied = [
        source
        for stage in stages
        for rest in values(stage, "COPY")
        if "--from=" not in rest
        for source in [word for word in rest.split() if not word.startswith("--")][:-1]
    ]
    assert [source for source in copied if not (ROOT / source).exists()] == []
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packages = project["tool"]["setuptools"]["packages"]["find"]["include"]
    assert {package.rstrip("*") for package in packages} <= set(copied)
    ignored, *rest = _lines(DOCKER / "Dockerfile.dockerignore")
    assert ignored == "*"
    assert {line[1:] for line in rest if line.startswith("!")} == set(copied)


def test_keys_and_homes_cannot_get_into_the_image() -> None:
    lines = _lines(DOCKER / "Dockerfile.dockerignore")
    last = max(place for place, line in enumerate(lines) if line.startswith("!"))
    assert {"**/*.key", "**/*.pem"} <= set(lines[last:])


def test_the_command_of_the_image_is_one_of_ours(stages: list[Stage], commands: Commands) -> None:
    arguments = json.loads(*values(stages[-1], "CMD"))
    shown = commands(*arguments, "--help")
    assert shown.code == 0
    assert {word for word in arguments if word.startswith("--")} <= set(re.findall(r"--[a-z-]+", shown.out))


def test_compose_runs_four_validators_with_health_checks_on_readyz(compose: dict[str, Any]) -> None:
    assert tuple(validators(compose)) == MEMBERS
    for service in validators(compose).values():
        check = service["healthcheck"]
        command, python, option, code = check["test"]
        assert (command, python, option) == ("CMD", "python", "-c")
        compile(code, "healthcheck", "exec")
        assert "/readyz" in code
        assert {"interval", "timeout", "retries", "start_period"} <= check.keys()
        assert service["depends_on"] == {"homes": {"condition": "service_completed_successfully"}}
        assert service["restart"] == "unless-stopped"


def test_every_container_is_confined(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert not {"privileged", "cap_add", "user", "pid", "ports", "env_file", "secrets"} & service.keys()
        assert service["image"] == "quorate"


def test_each_validator_sees_its_own_home_only(compose: dict[str, Any], stages: list[Stage]) -> None:
    (home,) = values(stages[-1], "VOLUME")
    for name, service in validators(compose).items():
        (volume,) = service["volumes"]
        assert volume["source"] in compose["volumes"]
        assert (volume["target"], volume["volume"]) == (home, {"subpath": name})
    (environment,) = values(stages[-1], "ENV")
    assert f"QUORATE_HOME={home}" in environment.split()
    assert compose["services"]["homes"]["volumes"] == [f"consortium:{home}"]


def test_compose_builds_the_image_from_this_repository(compose: dict[str, Any]) -> None:
    (build,) = [service["build"] for service in compose["services"].values() if "build" in service]
    context = (DOCKER / build["context"]).resolve()
    assert context == ROOT
    assert (context / build["dockerfile"]) == DOCKER / "Dockerfile"


def test_the_entry_point_that_makes_homes_is_in_the_image(compose: dict[str, Any], stages: list[Stage]) -> None:
    (entry,) = compose["services"]["homes"]["entrypoint"]
    (copied,) = [rest for rest in values(stages[-1], "COPY") if "make-homes.sh" in rest]
    assert copied == f"--chmod=0755 docker/make-homes.sh /usr/local/bin/{entry}"


def test_the_script_that_makes_homes_is_plain_sh() -> None:
    subprocess.run(["/bin/sh", "-n", DOCKER / "make-homes.sh"], check=True)


def test_the_script_makes_whole_homes_and_leaves_them_alone_afterwards(homes: Path) -> None:
    genesis = Genesis((homes / "genesis.json").read_bytes())
    assert tuple(member.organisation for member in genesis.document.organisations) == MEMBERS
    for name in MEMBERS:
        home = Home(homes / name)
        assert home.load_genesis().chain_id == genesis.chain_id
        assert home.membership(genesis).organisation == name
        assert not list(home.path.glob("*.new"))


def test_health_checks_ask_where_each_validator_listens(homes: Path, compose: dict[str, Any]) -> None:
    listens = {name: tomllib.loads(Home(homes / name).configuration.read_text())["rest"]["listen"] for name in MEMBERS}
    assert {name: service["environment"]["REST"] for name, service in validators(compose).items()} == listens


@pytest.fixture
def commands() -> Commands:
    return Commands()


def _lines(file: Path) -> list[str]:
    return [line for line in file.read_text().splitlines() if line and not line.startswith("#")]
