"""`sam local` on what `sam build` built, in the Docker replica."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import boto3
import docker
from botocore.config import Config
from docker.models.containers import Container
from samcli.yamlhelper import yaml_parse

from emulator.rie import Answer, free_port, is_error, peak_memory_mb
from emulator.s3 import CREDENTIALS, REGION
from emulator.sandbox import TEMPLATE, Storage

BUILT = TEMPLATE.parent / ".aws-sam" / "build"
# With credentials sam asks AWS for their account, which these cannot tell; once is enough.
ENVIRONMENT = {
    **os.environ,
    **CREDENTIALS,
    "AWS_DEFAULT_REGION": REGION,
    "AWS_MAX_ATTEMPTS": "1",
    "SAM_CLI_TELEMETRY": "0",
}
_CONTAINER = re.compile(r"SAM_CONTAINER_ID: (\w+)")
_START_SECONDS = 120
_STOP_SECONDS = 30
_REPORT_SECONDS = 5


def sam_local(command: str, *options: str) -> list[str]:
    """A command of `sam local`, with the replica's section of samconfig.toml."""
    # Which sam looks for beside the template.
    config = str(TEMPLATE.with_name("samconfig.toml"))
    sam = str(Path(sys.executable).with_name("sam"))
    return [sam, "local", command, "--config-env", "replica", "--config-file", config, *options]


@contextlib.contextmanager
def serving(command: list[str], log: Callable[[str], None]) -> Iterator[str]:
    """Keep `sam local start-…` up on a free port; with its URL. `log` gets each line it prints."""
    port = free_port()
    process = subprocess.Popen(
        [*command, "--port", str(port)],
        cwd=TEMPLATE.parent,
        env=ENVIRONMENT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    said: list[str] = []
    answering = threading.Event()

    def read(output: IO[str]) -> None:
        with output:
            for line in output:
                said.append(line)
                log(line)
                if "Running on http" in line:
                    answering.set()
        answering.set()

    assert process.stdout is not None
    reader = threading.Thread(target=read, args=[process.stdout], daemon=True)
    reader.start()
    try:
        answering.wait(_START_SECONDS)
        assert any("Running on http" in line for line in said), "".join(said)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.send_signal(signal.SIGINT)  # as Ctrl-C: it removes its containers
        try:
            process.wait(_STOP_SECONDS)
        finally:
            process.kill()
            process.wait()
            reader.join()


class SamFunction:
    """The deployed artefacts in a container of 128 MB that stays warm until the context ends.

    Parameters
    ----------
    storage
        Where the function finds its model; its endpoint must be one that containers reach.
    log
        Called with each line of the function's log, and with what sam says.
    overrides
        Environment variables that differ from the template's.
    """

    def __init__(self, storage: Storage, log: Callable[[str], None], overrides: Mapping[str, str]) -> None:
        self._log = log
        self._environment = {"MODEL_BUCKET": storage.bucket, "AWS_ENDPOINT_URL": storage.endpoint, **overrides}
        self._reports = threading.Semaphore(0)
        self._container = ""

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            template, variables = stack.enter_context(_declared(self._environment))
            command = sam_local("start-lambda", "--template", template, "--env-vars", variables)
            url = stack.enter_context(serving(command, self._read_line))
            self._engine = stack.enter_context(contextlib.closing(docker.from_env()))
            self._client = boto3.client(
                "lambda",
                endpoint_url=url,
                region_name=REGION,
                aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
                aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
                config=Config(proxies={}, read_timeout=120, retries={"total_max_attempts": 1}),
            )
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stack.close()

    def invoke(self, event: bytes) -> Answer:
        """Invoke the function and wait for its answer and for its log."""
        payload = self._client.invoke(FunctionName="Function", Payload=event)["Payload"].read().decode()
        self._reports.acquire(timeout=_REPORT_SECONDS)
        # sam knows an error only if nothing but type, message and stack trace is in it; the runtime adds a request id.
        return Answer(payload, is_error(payload))

    def container(self) -> Container:
        """The container of the warm sandbox."""
        return self._engine.containers.get(self._container)

    def runtime(self) -> dict[str, str]:
        """The process the function runs in, as this machine sees it: its PID, UID and GID."""
        top = self.container().top(ps_args="-eo pid,uid,gid,args")
        (process,) = (
            dict(zip(top["Titles"], row, strict=True)) for row in top["Processes"] if "awslambdaric" in row[-1]
        )
        return process

    def peak_memory_mb(self) -> float | None:
        """Largest resident set so far of the process the function runs in, in MB of 2**20 bytes."""
        return peak_memory_mb(int(self.runtime()["PID"]))

    def memory_limit_mb(self) -> float:
        """What the kernel gives the container, in MB of 2**20 bytes."""
        return int(self._cgroup("memory.limit_in_bytes", "memory.max")) / 2**20

    def resident_mb(self) -> float:
        """What all processes of the container hold now, swap included and page cache not, in MB of 2**20 bytes."""
        held = dict(line.split() for line in self._cgroup("memory.stat", "memory.stat").splitlines())
        if "total_rss" in held:
            return (int(held["total_rss"]) + int(held.get("total_swap", 0))) / 2**20
        return (int(held["anon"]) + int(self._cgroup("", "memory.swap.current"))) / 2**20

    def _cgroup(self, version_1: str, version_2: str) -> str:
        pid = self.container().attrs["State"]["Pid"]
        for line in Path(f"/proc/{pid}/cgroup").read_text(encoding="ascii").splitlines():
            _, controllers, path = line.split(":", 2)
            for base, name, wanted in (("memory", version_1, "memory"), ("", version_2, "")):
                file = Path("/sys/fs/cgroup", base, path.lstrip("/"), name)
                if controllers == wanted and file.is_file():
                    return file.read_text(encoding="ascii")
        raise AssertionError(f"no memory control group of process {pid}")

    def _read_line(self, line: str) -> None:
        # The runtime keeps the lines of a traceback in one record by ending them with \r.
        self._log(line.rstrip("\n").replace("\r", "\n"))
        if started := _CONTAINER.search(line):
            self._container = started[1]
        if line.startswith("REPORT"):
            self._reports.release()


@contextlib.contextmanager
def _declared(environment: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """A template and a file of variables: sam passes on only what the template declares."""
    template = yaml_parse((BUILT / "template.yaml").read_text(encoding="utf-8"))
    declared: dict[str, Any] = template["Resources"]["Function"]["Properties"]["Environment"]["Variables"]
    declared.update(environment)
    with (
        # Beside the built one, from where its paths lead to the artefacts.
        tempfile.NamedTemporaryFile("w", suffix=".yaml", dir=BUILT, encoding="utf-8") as declaring,
        tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf-8") as variables,
    ):
        json.dump(template, declaring)  # which is YAML too
        declaring.flush()
        json.dump({"Function": dict(environment)}, variables)
        variables.flush()
        yield declaring.name, variables.name
