from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path

import pytest

from emulator import bootstrap

REQUIREMENTS = Path(__file__).parents[2] / "requirements.txt"


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The commands that would have been run."""
    run: list[str] = []
    monkeypatch.setattr(bootstrap, "run", lambda command, environment=None: run.append(" ".join(command)))
    return run


def machine(monkeypatch: pytest.MonkeyPatch, *programs: str, root: bool = False) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: name if name in programs else None)
    monkeypatch.setattr(os, "geteuid", lambda: 0 if root else 1000)


PACKAGES = {"apt-get": ["r-base-core"], "brew": ["r"]}


def test_root_uses_apt(monkeypatch: pytest.MonkeyPatch, commands: list[str]) -> None:
    machine(monkeypatch, "apt-get", root=True)
    bootstrap.install("R", PACKAGES)
    assert [command.partition("apt-get")[0] for command in commands] == ["env DEBIAN_FRONTEND=noninteractive "] * 2
    assert commands[1].endswith("install --yes --no-install-recommends r-base-core")


def test_a_user_with_sudo_uses_apt_through_it(monkeypatch: pytest.MonkeyPatch, commands: list[str]) -> None:
    machine(monkeypatch, "apt-get", "sudo")
    bootstrap.install("R", PACKAGES)
    assert all(command.startswith("sudo env ") for command in commands)


def test_a_mac_uses_homebrew(monkeypatch: pytest.MonkeyPatch, commands: list[str]) -> None:
    machine(monkeypatch, "brew")
    bootstrap.install("R", PACKAGES)
    assert commands == ["brew install r"]


@pytest.mark.parametrize("programs", [[], ["dnf"], ["apt-get"]])
def test_where_nothing_serves_one_message_says_what_to_install(
    programs: list[str], monkeypatch: pytest.MonkeyPatch, commands: list[str]
) -> None:
    machine(monkeypatch, *programs)
    with pytest.raises(SystemExit, match="^R is missing"):
        bootstrap.install("R", PACKAGES)
    assert commands == []


def test_a_python_that_is_too_old_is_told_how_to_name_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 9, 2))
    with pytest.raises(SystemExit, match=r"Python 3\.11 or later is needed.*make PYTHON="):
        bootstrap.main(Path("venv"), REQUIREMENTS)


def test_an_environment_that_is_up_to_date_is_left_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, commands: list[str]
) -> None:
    machine(monkeypatch, "R")
    bootstrap.main(tmp_path, REQUIREMENTS)
    assert len(commands) == 4
    del commands[:]
    bootstrap.main(tmp_path, REQUIREMENTS)
    assert commands == []
    (tmp_path / "requirements.txt").write_text("other==1\n")
    bootstrap.main(tmp_path, tmp_path / "requirements.txt")
    assert len(commands) == 4


def test_a_command_that_fails_ends_the_set_up_with_its_name() -> None:
    with pytest.raises(SystemExit, match="exit status 3"):
        bootstrap.run([sys.executable, "-c", "raise SystemExit(3)"])


def test_only_the_named_packages_are_picked_with_their_hashes() -> None:
    requirements = "a==1 \\\n    --hash=x\n    # via b\nab==2 \\\n    --hash=y\nb==3\n"
    assert bootstrap.only(("a",), requirements) == "a==1 \\\n    --hash=x\n    # via b\n"
    assert bootstrap.only(("ab", "b"), requirements) == "ab==2 \\\n    --hash=y\nb==3\n"


def test_everything_is_pinned_with_hashes_and_the_build_tools_are_among_it() -> None:
    text = REQUIREMENTS.read_text(encoding="utf-8")
    for block in re.split(r"\n(?=[a-z])", text.partition("\n")[2]):
        assert block.startswith("#") or re.match(r"[a-z0-9.-]+==\S+ .*--hash=sha256:", block, re.DOTALL), block
    for name in (*bootstrap.BUILD_TOOLS, "rpy2-rinterface", "aws-sam-cli", "boto3", "pytest", "cfn-lint"):
        assert bootstrap.only((name,), text).startswith(f"{name}==")
