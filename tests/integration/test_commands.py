from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import botocore
import botocore.config
import pytest

from emulator.sandbox import TEMPLATE

ROOT = TEMPLATE.parent
# Make is given the environment these tests run in, which is set up already.
MAKE = ["make", f"VENV={sys.prefix}", f"READY={sys.prefix}/.ready"]
HELLO = b'{"gre":"800","gpa":"4","rank":"1"}'


def make(*arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([*MAKE, *arguments], cwd=ROOT, input=stdin, capture_output=True, check=False)


def test_make_run_prints_the_answer_alone_to_stdout() -> None:
    finished = make("run")
    assert finished.returncode == 0
    assert finished.stdout == b'{"result": true}\n'
    log = finished.stderr.decode().splitlines()
    assert [line.split()[0] for line in log if not line.startswith("{")] == ["START", "END", "REPORT"]
    assert "Init Duration" in log[-1]


def test_make_run_takes_a_file() -> None:
    assert make("run", "EVENT=events/reject.json").stdout == b'{"result": false}\n'


def test_make_run_takes_an_event_from_stdin() -> None:
    assert make("run", "EVENT=-", stdin=HELLO).stdout == b'{"result": true}\n'


def test_make_run_takes_another_model_and_other_settings(models: Path) -> None:
    event = b'{"gre": 800, "gpa": 4, "rank": "1", "explain": true}'
    finished = make(
        "run", "EVENT=-", f"MODEL={models}/lm.rds", "SETTINGS=THRESHOLD=0.001 MODEL_KEY=a/b.rds", stdin=event
    )
    explained = json.loads(finished.stdout)
    assert explained["threshold"] == 0.001
    assert explained["model"]["key"] == "a/b.rds"
    assert "prediction" in explained


def test_a_failed_invocation_prints_its_error_and_exits_non_zero() -> None:
    finished = make("run", "EVENT=events/bad-missing.json")
    assert finished.returncode != 0
    assert json.loads(finished.stdout)["errorType"] == "InvalidInput"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["EVENT=nothing.json"], "nothing.json"),
        (["MODEL=nothing.rds"], "nothing.rds"),
        (["EVENT=-"], "the event is empty"),
        (["SETTINGS=THRESHOLD"], "THRESHOLD is not NAME=VALUE"),
    ],
)
def test_what_cannot_be_run_is_told_in_one_line(arguments: list[str], message: str) -> None:
    finished = make("run", *arguments)
    assert finished.returncode != 0
    assert not finished.stdout
    assert message in finished.stderr.decode()
    assert "Traceback" not in finished.stderr.decode()


@contextlib.contextmanager
def serving(scratch: Path) -> Iterator[tuple[subprocess.Popen[str], str, str]]:
    """`make serve` in a session of its own, as in a terminal; with what it printed and its endpoint."""
    process = subprocess.Popen(
        [*MAKE, "serve", "PORT=0"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "TMPDIR": str(scratch)},
        text=True,
        start_new_session=True,
    )
    try:
        assert process.stdout is not None
        printed = ""
        for line in process.stdout:
            printed += line
            if "Ctrl-C" in line:
                break
        found = re.search(r"http://127\.0\.0\.1:\d+", printed)
        assert found, printed
        yield process, printed, found[0]
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def processes_naming(text: str) -> list[tuple[int, str]]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            command = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if text in command:
                found.append((int(path.parent.name), command))
    return found


def wait_until_gone(endpoint: str) -> None:
    address = endpoint.removeprefix("http://")
    deadline = time.monotonic() + 15
    while processes_naming(address):
        assert time.monotonic() < deadline, processes_naming(address)
        time.sleep(0.1)


def client(endpoint: str) -> Any:
    config = botocore.config.Config(signature_version=botocore.UNSIGNED)
    return boto3.client("lambda", endpoint_url=endpoint, region_name="us-east-1", config=config)


def test_make_serve_is_invoked_as_in_the_aws_documentation(tmp_path: Path) -> None:
    with serving(tmp_path) as (_, printed, endpoint):
        assert f"aws lambda invoke --endpoint-url {endpoint} --no-sign-request" in printed
        for _ in range(3):
            answer = client(endpoint).invoke(FunctionName="function", Payload=HELLO)
            assert json.load(answer["Payload"]) == {"result": True}
        (curl,) = re.findall(r"^curl .*$", printed, re.MULTILINE)
        _, _, data, url = shlex.split(curl)  # sent without curl, which not every machine has
        with urllib.request.urlopen(url, data.encode()) as answer:
            assert answer.read() == b'{"result": true}'


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_ending_make_serve_leaves_nothing_behind(number: signal.Signals, tmp_path: Path) -> None:
    with serving(tmp_path) as (process, _, endpoint):
        client(endpoint).invoke(FunctionName="function", Payload=HELLO)
        assert processes_naming(endpoint.removeprefix("http://"))
        assert list(tmp_path.iterdir())  # R's temporary folder, in the function's
        os.killpg(process.pid, number)
        process.wait(15)
        wait_until_gone(endpoint)
        assert not list(tmp_path.iterdir())


def test_an_emulator_that_is_killed_takes_the_function_with_it(tmp_path: Path) -> None:
    with serving(tmp_path) as (process, _, endpoint):
        client(endpoint).invoke(FunctionName="function", Payload=HELLO)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(15)
        wait_until_gone(endpoint)


def test_an_emulator_that_ends_ends_make_serve(tmp_path: Path) -> None:
    with serving(tmp_path) as (process, _, endpoint):
        (emulator,) = (
            pid for pid, command in processes_naming(endpoint.removeprefix("http://")) if "setpriv" not in command
        )
        os.kill(emulator, signal.SIGKILL)
        assert process.wait(15) != 0


def test_make_serve_tells_of_a_port_that_is_taken(tmp_path: Path) -> None:
    with serving(tmp_path) as (_, _, endpoint):
        finished = make("serve", f"PORT={endpoint.rpartition(':')[2]}")
    assert finished.returncode != 0
    assert "cannot be used" in finished.stderr.decode()
    assert not finished.stdout


def test_make_alone_explains_every_target() -> None:
    explained = make().stdout.decode()
    targets = set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert targets == set(re.findall(r"^make ([a-z-]+) ", explained, re.MULTILINE))
    assert {"run", "serve", "model", "test", "lint"} <= targets
