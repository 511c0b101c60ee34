"""The R of this machine, in the place of the layer's."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

_SYSTEM_FOLDER = re.compile("(/usr)?/lib(64|/[a-z0-9_]+-linux-gnu)?")


class RNotUsableError(Exception):
    """There is no R here that Python can embed; the message says what to do."""


def r_environment() -> dict[str, str]:
    """Environment variables that R's own launcher would set, for a process that embeds R.

    Returns
    -------
    dict
        ``R_HOME``, ``LD_LIBRARY_PATH`` and R's other paths, and the mode rpy2 was installed in (`bootstrap`).

    Raises
    ------
    RNotUsableError
        If R is missing, or was built without its shared library.
    """
    launcher = shutil.which("R")
    if launcher is None:
        raise RNotUsableError("R is not installed; `make setup` installs it")
    clean = {"PATH": os.defpath}
    # R CMD runs any program the way R itself would be run.
    listed = subprocess.run([launcher, "CMD", "env"], env=clean, capture_output=True, text=True, check=True).stdout
    variables = dict(line.split("=", 1) for line in listed.splitlines() if line.startswith(("R_", "LD_LIBRARY_PATH=")))
    if not Path(variables["R_HOME"], "lib", "libR.so").exists():
        raise RNotUsableError(f"{launcher} has no libR.so: install an R that was built with --enable-R-shlib")
    # The folders the dynamic linker searches anyway must not come before those Python's own modules were linked with.
    folders = variables.get("LD_LIBRARY_PATH", "").split(":")
    variables["LD_LIBRARY_PATH"] = ":".join(folder for folder in folders if not _SYSTEM_FOLDER.fullmatch(folder))
    return variables | {"RPY2_CFFI_MODE": "ABI"}
