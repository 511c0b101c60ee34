"""What is in a built R layer: where its bytes are, and which shared library each of its files needs.

`python -m emulator.layer FOLDER` prints both as tables.
"""

from __future__ import annotations

import re
import sys
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from elftools.elf.elffile import ELFFile
from elftools.elf.gnuversions import GNUVerNeedSection

# glibc and what comes with it, which every Amazon Linux has.
_OF_THE_SYSTEM = re.compile(r"(lib(c|m|dl|rt|pthread|util|gcc_s)|ld-linux.*)\.so\.\d+")
_GLIBC = re.compile(r"GLIBC_(\d+)\.(\d+)(?:\.\d+)?")
_LAMBDA_GLIBC = (2, 34)
_MAGIC = b"\x7fELF"


@dataclass(frozen=True)
class Part:
    """Some files of the layer that belong together, and their sizes in bytes, each zipped by itself as in a zip."""

    name: str
    size: int
    zipped: int


def parts(layer: Path) -> list[Part]:
    """The layer by R package, shared library and the rest, largest zipped first."""
    sums: dict[str, tuple[int, int]] = {}
    for path in layer.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            name = _part(path.relative_to(layer))
            size, zipped = sums.get(name, (0, 0))
            sums[name] = size + len(content), zipped + min(len(content), len(zlib.compress(content)))
    return sorted((Part(name, *sizes) for name, sizes in sums.items()), key=lambda part: -part.zipped)


def _part(path: Path) -> str:
    first, *rest = path.parts
    if first == "R" and rest[0] == "library":
        return f"R package {rest[1]}"
    return f"{first}/{rest[0]}" if first == "lib" else first


def needed_libraries(layer: Path) -> Iterator[tuple[Path, str, str | None]]:
    """Each file, each library it needs, and where that comes from: ``layer``, ``Lambda`` or None, which is nowhere."""
    inside = {path.name for path in (layer / "lib").iterdir()}
    for path, elf in _elf_files(layer):
        dynamic: Any = elf.get_section_by_name(".dynamic")  # its tags have no types
        for tag in dynamic.iter_tags("DT_NEEDED"):
            source = "layer" if tag.needed in inside else "Lambda" if _OF_THE_SYSTEM.fullmatch(tag.needed) else None
            yield path, tag.needed, source


def newest_glibc(layer: Path) -> tuple[int, int]:
    """The oldest glibc, as major and minor version, that every file of the layer loads with."""
    versions = [(0, 0)]
    for _, elf in _elf_files(layer):
        section = elf.get_section_by_name(".gnu.version_r")
        if isinstance(section, GNUVerNeedSection):
            names = (auxiliary.name for _, needs in section.iter_versions() for auxiliary in needs)
            versions += [(int(found[1]), int(found[2])) for name in names if (found := _GLIBC.fullmatch(name))]
    return max(versions)


def _elf_files(layer: Path) -> Iterator[tuple[Path, ELFFile]]:
    for path in sorted(layer.rglob("*")):
        if path.is_file():
            with path.open("rb") as file:
                if file.read(len(_MAGIC)) == _MAGIC:
                    yield path.relative_to(layer), ELFFile(file)


def main(layer: Path) -> int:
    """Print the report, and return 1 if the layer would not load on Lambda."""
    if not (layer / "R").is_dir():
        print(f"there is no R layer in {layer}; sam build makes one", file=sys.stderr)
        return 1
    listed = parts(layer)
    _row("part", "MB", "zipped")
    for part in [*listed, Part("all", sum(p.size for p in listed), sum(p.zipped for p in listed))]:
        _row(part.name, f"{part.size / 1e6:.2f}", f"{part.zipped / 1e6:.2f}")
    users: dict[tuple[str, str | None], int] = {}
    for _, library, source in needed_libraries(layer):
        users[library, source] = users.get((library, source), 0) + 1
    print()
    _row("needed library", "files", "from")
    for (library, source), count in sorted(users.items(), key=lambda item: -item[1]):
        _row(library, str(count), source or "MISSING")
    glibc = newest_glibc(layer)
    print("\nloads with glibc {}.{}, Lambda has {}.{}".format(*glibc, *_LAMBDA_GLIBC))
    return int(glibc > _LAMBDA_GLIBC or any(source is None for _, source in users))


def _row(*cells: str) -> None:
    first, *others = cells
    print(f"{first:32}", *(f"{other:>8}" for other in others))


if __name__ == "__main__":
    sys.exit(main(Path(*sys.argv[1:2])))
