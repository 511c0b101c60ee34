from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import tarfile
from pathlib import Path

import docker
import pytest
from docker.errors import DockerException

from emulator import replica
from emulator.sandbox import TEMPLATE

RECIPE = TEMPLATE.parent / "layers" / "r"


def engine_says(monkeypatch: pytest.MonkeyPatch, reason: str) -> None:
    """A machine where everything is there but an engine to talk to."""

    def refuse() -> None:
        raise DockerException(reason)

    monkeypatch.setattr(docker, "from_env", refuse)
    monkeypatch.setattr(shutil, "which", lambda name: name)
    monkeypatch.setattr(tarfile, "data_filter", None, raising=False)


@pytest.fixture
def no_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    engine_says(monkeypatch, "no socket")


def names(context: bytes) -> dict[str, int]:
    with tarfile.open(fileobj=io.BytesIO(context)) as archive:
        return {member.name: member.mode for member in archive}


def test_the_same_files_make_the_same_context_so_that_the_engine_finds_its_cache() -> None:
    assert replica._context() == replica._context()  # noqa: SLF001


def test_the_context_holds_all_that_the_dockerfile_copies() -> None:
    present = names(replica._context())  # noqa: SLF001
    dockerfile = (TEMPLATE.parent / "emulator/images/Dockerfile").read_text(encoding="utf-8")
    for source in re.findall(r"^COPY (?!--from)(\S+) ", dockerfile, re.MULTILINE):
        assert [name for name in present if name == source or name.startswith(source.rstrip("/") + "/")], source
    assert present["lambda/var/runtime/bootstrap"] == 0o755
    assert present["lambda/usr/local/bin/aws-lambda-rie"] == 0o755


def test_the_layers_whole_recipe_is_in_the_context_and_its_readme_is_not() -> None:
    recipe = {f"layer/{path.name}" for path in RECIPE.iterdir()} - {"layer/README.md"}
    assert recipe <= names(replica._context()).keys()  # noqa: SLF001
    assert "layer/README.md" not in names(replica._context())  # noqa: SLF001


def test_a_user_who_may_not_start_an_engine_is_told(
    no_engine: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert replica.main(["up"]) == 1
    assert "only root may start one: no socket" in capsys.readouterr().err


def test_a_user_who_may_not_use_the_engine_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    engine_says(monkeypatch, "Error while fetching server API version: PermissionError(13, 'Permission denied')")
    assert replica.main(["up"]) == 1
    assert "join the group docker" in capsys.readouterr().err


def test_a_python_with_which_sam_cannot_build_is_refused_before_anything_is_made(
    no_engine: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delattr(tarfile, "data_filter")
    assert replica.main(["up"]) == 1
    assert "sam build in a container needs Python 3.11.4 or later" in capsys.readouterr().err


def test_where_there_is_no_apt_the_user_is_told_that_none_is_needed(
    no_engine: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    assert replica.main(["up"]) == 1
    assert "use `sam build` and `sam local invoke` as they are" in capsys.readouterr().err


def test_only_an_engine_that_was_started_here_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(replica, "_PID_FILE", tmp_path / "dockerd.pid")
    assert replica.main(["down"]) == 0
    assert "no Docker engine that make replica started is running" in capsys.readouterr().err
    # An engine that was killed leaves its file behind, and its number may be another process's by now.
    with subprocess.Popen(["sleep", "60"]) as other:
        (tmp_path / "dockerd.pid").write_text(f"{other.pid}\n", encoding="ascii")
        assert replica.main(["down"]) == 0
        assert other.poll() is None
        other.kill()
    assert "no Docker engine that make replica started is running" in capsys.readouterr().err
