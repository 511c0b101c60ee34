"""Set this machine up for the Makefile: R, a virtual environment, the pinned packages.

Runs on the machine's own Python, before anything is installed, so it uses the standard library only. Everything it
does is said on stderr, because stdout belongs to the answer of `make run`.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

OLDEST_PYTHON = (3, 11)
# Needed to build rpy2-rinterface from source; installed first, so that its build fetches nothing that is not pinned.
BUILD_TOOLS = ("setuptools", "wheel", "packaging", "cffi", "pycparser")


def main(virtual_environment: Path, requirements: Path) -> None:
    """Install what is missing; exit with one message where that cannot be done."""
    if sys.version_info < OLDEST_PYTHON:
        sys.exit(
            f"Python 3.{OLDEST_PYTHON[1]} or later is needed, this is {platform.python_version()}; "
            "name another one: make PYTHON=python3.13 …"
        )
    ready = virtual_environment / ".ready"
    if shutil.which("R") is None:
        say("installing R (a minute or two)")
        install("R", {"apt-get": ["r-base-core"], "brew": ["r"]})
    try:
        import ensurepip  # noqa: F401, PLC0415  # Debian ships venv without it
    except ImportError:
        say("installing Python's venv")
        install("Python's venv module", {"apt-get": ["python3-venv"]})

    recipe = hashlib.sha256(requirements.read_bytes() + Path(__file__).read_bytes()).hexdigest()
    if ready.exists() and ready.read_text(encoding="ascii") == recipe:
        ready.touch()  # the files are newer, not different: a checkout
        return
    say(f"creating a virtual environment in {virtual_environment}")
    run([sys.executable, "-m", "venv", "--clear", str(virtual_environment)])
    say("installing the pinned packages (about a minute)")
    # Not from pip's cache, where a build of rpy2 for another R may lie.
    for names, options in (BUILD_TOOLS, []), (("rpy2-rinterface",), ["--no-cache-dir"]):
        some = virtual_environment / f"requirements-{names[0]}.txt"
        some.write_text(only(names, requirements.read_text(encoding="utf-8")), encoding="utf-8")
        pip_install(virtual_environment, some, options)
    pip_install(virtual_environment, requirements, [])
    ready.write_text(recipe, encoding="ascii")
    say("ready")


def install(what: str, packages_by_manager: dict[str, list[str]]) -> None:
    """Install packages by the machine's package manager, as root or through sudo."""
    as_root = [] if os.geteuid() == 0 else ["sudo"]
    can_be_root = not as_root or shutil.which("sudo")
    for manager, packages in packages_by_manager.items():
        if shutil.which(manager) and manager == "brew":
            run(["brew", "install", *packages])
            return
        if shutil.which(manager) and can_be_root:
            apt_get = [*as_root, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get"]
            run([*apt_get, "update"])
            run([*apt_get, "install", "--yes", "--no-install-recommends", *packages])
            return
    sys.exit(f"{what} is missing, and neither apt (as root or with sudo) nor Homebrew is here to install it: please do")


def pip_install(virtual_environment: Path, requirements: Path, options: list[str]) -> None:
    """Install exactly what is pinned: no dependency is resolved and no build environment is fetched."""
    pip = [str(virtual_environment / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "-qq"]
    exactly = ["--no-deps", "--require-hashes", "--no-build-isolation"]
    run(
        [*pip, "install", *exactly, *options, "--requirement", str(requirements)],
        # ABI mode compiles nothing; the layer, where every millisecond counts, is built in API mode.
        {"RPY2_CFFI_MODE": "ABI"},
    )


def only(names: tuple[str, ...], requirements: str) -> str:
    """Pick the blocks of some packages from the text of a pinned requirements file."""
    picked, keep = [], False
    for line in requirements.splitlines(keepends=True):
        if not line.startswith((" ", "#")):
            keep = line.partition("==")[0] in names
        if keep:
            picked.append(line)
    return "".join(picked)


def run(command: list[str], environment: dict[str, str] | None = None) -> None:
    """Run a command in silence; if it fails, show what it said and exit with its name."""
    finished = subprocess.run(
        command,
        env={**os.environ, **(environment or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if finished.returncode:
        sys.exit(f"{finished.stdout}{' '.join(command)} failed with exit status {finished.returncode}")


def say(text: str) -> None:
    """Tell the user what is going on."""
    print(f"setup: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
