from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from admission.engine import Engine
from emulator.rie import LambdaFunction
from emulator.rlang import r_environment
from emulator.s3 import EmbeddedS3
from emulator.sandbox import TEMPLATE, Storage, function_on
from emulator.stack import read_function

ROOT = TEMPLATE.parent
REFERENCE_MODEL = ROOT / "build" / "admission.rds"

Log = list[str]
StartFunction = Callable[..., AbstractContextManager[tuple[LambdaFunction, Log]]]


def rscript(*arguments: str | Path) -> str:
    """Run a script in an R of its own, which knows nothing of how the engine is set up here."""
    environment = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}
    command = ["Rscript", "--vanilla", *arguments]
    finished = subprocess.run(command, env=environment, check=False, capture_output=True, text=True)
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


@pytest.fixture
def s3() -> Iterator[EmbeddedS3]:
    """An empty bucket of the test's own."""
    with EmbeddedS3() as storage:
        yield storage


@pytest.fixture(scope="session")
def start() -> StartFunction:
    """Start the function on a bucket; with it comes its log, which grows line by line."""

    @contextmanager
    def start(storage: Storage, **overrides: str) -> Iterator[tuple[LambdaFunction, Log]]:
        log: Log = []
        with function_on(storage, log.append, overrides) as function:
            yield function, log

    return start
