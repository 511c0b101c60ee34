"""What is deployed, as against what happens to be installed here."""

from __future__ import annotations

import ast
import re
import sys

from emulator.sandbox import TEMPLATE

SOURCE = TEMPLATE.parent / "src"
IN_THE_LAYER = {"rpy2"}


def test_the_function_imports_only_what_its_zip_and_its_layer_hold() -> None:
    imported: set[str] = set()
    for path in (SOURCE / "admission").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported.update(alias.name.partition(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                imported.add(node.module.partition(".")[0])
    pinned = re.findall(r"^([a-z0-9-]+)==", (SOURCE / "requirements.txt").read_text(encoding="utf-8"), re.MULTILINE)
    in_the_zip = {name.replace("-", "_") for name in pinned} | {"admission"}
    assert imported - sys.stdlib_module_names <= in_the_zip | IN_THE_LAYER
