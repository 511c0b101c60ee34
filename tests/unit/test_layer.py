"""The layer's recipe, as far as it can be read and refused without building."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from emulator import layer
from emulator.sandbox import TEMPLATE

RECIPE = TEMPLATE.parent / "layers" / "r"
BUILD = (RECIPE / "build.sh").read_text(encoding="utf-8")
LISTED = [
    line.split() for line in (RECIPE / "packages.txt").read_text(encoding="utf-8").splitlines() if line[:1] != "#"
]


def build(folder: Path, *, python: str | None, glibc: str) -> subprocess.CompletedProcess[str]:
    """Run build.sh on a machine that has this Python, a command of the shell, and this C library."""
    programs = folder / "bin"
    programs.mkdir()
    for name, body in {"getconf": f"echo {glibc}", "python3.13": python}.items():
        if body is not None:
            (programs / name).write_text(f"#!/bin/sh\n{body}\n", encoding="ascii")
            (programs / name).chmod(0o755)
    return subprocess.run(
        ["bash", str(RECIPE / "build.sh"), str(folder / "layer")],
        env={"PATH": f"{programs}:/usr/bin:/bin", "HOME": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("python", "glibc", "reason"),
    [
        (None, "glibc 2.34", "python3.13 is not on PATH"),
        ("exit 1", "glibc 2.34", "python3.13 lacks pip, venv or its headers"),
        ("exit 0", "glibc 2.36", "this machine has glibc 2.36, Lambda has glibc 2.34"),
    ],
)
def test_a_layer_is_not_built_where_it_would_not_load(
    python: str | None, glibc: str, reason: str, tmp_path: Path
) -> None:
    built = build(tmp_path, python=python, glibc=glibc)
    assert built.returncode == 1
    assert built.stderr.count("\n") == 1
    assert reason in built.stderr
    assert "build it in Lambda's container with sam build --use-container" in built.stderr
    assert not (tmp_path / "layer").exists()
    assert not (tmp_path / ".cache").exists()


def test_every_listed_package_that_does_not_come_with_r_is_pinned() -> None:
    assert [name for name, *_ in LISTED[:2]] == ["base", "methods"]
    for _, *pin in LISTED:
        assert not pin or (len(pin) == 2 and re.fullmatch("[0-9a-f]{64}", pin[1]))


def test_the_report_and_the_build_judge_by_the_same_c_library() -> None:
    (glibc,) = re.findall(r"^GLIBC=(\S+)$", BUILD, re.MULTILINE)
    assert tuple(map(int, glibc.split("."))) == layer._LAMBDA_GLIBC  # noqa: SLF001
    (system,) = re.findall(r"^SYSTEM_LIBRARIES='\^(.*)\\\.so\\\.'$", BUILD, re.MULTILINE)
    assert layer._OF_THE_SYSTEM.pattern == rf"{system}\.so\.\d+"  # noqa: SLF001


def test_the_layer_has_the_rpy2_that_the_engine_is_developed_with() -> None:
    pin = re.compile(r"^rpy2-rinterface==(\S+)", re.MULTILINE)
    files = RECIPE / "requirements.txt", TEMPLATE.with_name("requirements.txt")
    assert len({pin.findall(path.read_text(encoding="utf-8"))[0] for path in files}) == 1


def test_parts_add_up(tmp_path: Path) -> None:
    contents = {"R/library/stats/R/stats.rdb": b"x" * 1000, "R/library/stats/DESCRIPTION": b"y", "lib/libR.so": b"z"}
    for name, content in contents.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    parts = layer.parts(tmp_path)
    assert [(part.name, part.size) for part in parts] == [("R package stats", 1001), ("lib/libR.so", 1)]
    assert parts[0].zipped < 100


def test_a_folder_without_a_layer_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert layer.main(tmp_path) == 1
    assert "sam build makes one" in capsys.readouterr().err
