from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol

import pytest

from admission.engine import Engine
from emulator.replica import bridge_address
from emulator.rie import Answer
from emulator.rlang import r_environment
from emulator.s3 import EmbeddedS3
from emulator.sandbox import TEMPLATE, Storage, function_on
from emulator.stack import read_function
from tests.integration.sam import SamFunction

ROOT = TEMPLATE.parent
REFERENCE_MODEL = ROOT / "build" / "admission.rds"

Log = list[str]


class Function(Protocol):
    """A running function, on whichever rung."""

    def invoke(self, event: bytes) -> Answer: ...
    def peak_memory_mb(self) -> float | None: ...


StartFunction = Callable[..., AbstractContextManager[tuple[Function, Log]]]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Choose the rung: this machine's R and Python, or the built artefacts in the Docker replica."""
    parser.addoption("--rung", choices=("native", "replica"), default="native")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what says that it is for the other rung only."""
    rung = config.getoption("rung")
    others = [item for item in items if (marker := item.get_closest_marker("rung")) and marker.args != (rung,)]
    config.hook.pytest_deselected(items=others)
    items[:] = [item for item in items if item not in others]


def rscript(*arguments: str | Path, environment: Mapping[str, str] | None = None) -> str:
    """Run a script in an R of its own, which knows nothing of how the engine is set up here."""
    clean = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", **(environment or {})}
    command = ["Rscript", "--vanilla", *arguments]
    finished = subprocess.run(command, env=clean, check=False, capture_output=True, text=True)
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


@pytest.fixture(scope="session")
def engine() -> Engine:
    """R in this very process, started as the template says. `make` runs pytest with R's library path."""
    declared = read_function(TEMPLATE, {"ModelBucket": "unused"}).environment
    names = ("R_DEFAULT_PACKAGES", "R_ENABLE_JIT", "LC_ALL")
    os.environ.update(r_environment() | {name: declared[name] for name in names})
    return Engine()


@pytest.fixture(scope="session")
def reference_model() -> bytes:
    """The model `make run` serves."""
    return REFERENCE_MODEL.read_bytes()


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the models of models.R."""
    folder = tmp_path_factory.mktemp("models")
    rscript(Path(__file__).with_name("models.R"), folder)
    return folder


@pytest.fixture(scope="session")
def address(pytestconfig: pytest.Config) -> str:
    """Where the function reaches servers of these tests."""
    return bridge_address() if pytestconfig.getoption("rung") == "replica" else "127.0.0.1"


@pytest.fixture
def s3(address: str) -> Iterator[EmbeddedS3]:
    """An empty bucket of the test's own."""
    with EmbeddedS3(address) as storage:
        yield storage


@pytest.fixture(scope="session")
def start(pytestconfig: pytest.Config) -> StartFunction:
    """Start the function on a bucket; with it comes its log, which grows line by line."""
    in_replica = pytestconfig.getoption("rung") == "replica"

    @contextmanager
    def start(storage: Storage, **overrides: str) -> Iterator[tuple[Function, Log]]:
        log: Log = []
        starting = (
            SamFunction(storage, log.append, overrides) if in_replica else function_on(storage, log.append, overrides)
        )
        with starting as function:
            yield function, log

    return start
