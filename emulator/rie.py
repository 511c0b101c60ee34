"""The function under AWS's Runtime Interface Emulator, the one that ships with aws-sam-cli."""

from __future__ import annotations

import contextlib
import http.client
import json
import math
import os
import platform
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import samcli

from emulator.stack import FunctionConfiguration

# The emulator answers to no other function name.
FUNCTION_NAME = "function"
INVOKE_PATH = f"/2015-03-31/functions/{FUNCTION_NAME}/invocations"

_START_SECONDS = 10
_STOP_SECONDS = 5
_REPORT_SECONDS = 2
# Lines of the emulator about itself; its own REPORT line has no measured init duration or memory, these have.
_RAPID = re.compile(r"\d+ \w+ \d+ [\d:,]+ \[[A-Z]+\] \(rapid\) ")
_INIT = re.compile(_RAPID.pattern + r"INIT REPORT\(durationMs: ([\d.]+)\)")
_INVOKE = re.compile(_RAPID.pattern + r"INVOKE RTDONE\(.*duration: ([\d.]+)ms\)")
_REPORT = re.compile(r"REPORT RequestId: (\S+)\t.*?\bDuration: ([\d.]+) ms\tBilled")


class NotEmulatedError(Exception):
    """The emulator cannot run here; the message says why."""


@dataclass(frozen=True)
class Answer:
    """What an invocation gave.

    Attributes
    ----------
    payload
        The function's answer, or Lambda's error, as it was sent.
    failed
        Whether Lambda would mark it as a function error.
    """

    payload: str
    failed: bool


class LambdaFunction:
    """A running function: a sandbox that stays warm until the context ends.

    Parameters
    ----------
    configuration
        What template.yaml says.
    environment
        More variables for the function, and other values for those of the template.
    log
        Called with each line of the function's log, START, END and REPORT lines included.
    port
        Port of the Invoke API on the loopback interface; 0 is any free one.
    """

    def __init__(
        self,
        configuration: FunctionConfiguration,
        environment: Mapping[str, str],
        log: Callable[[str], None],
        port: int = 0,
    ) -> None:
        self._configuration = configuration
        self._environment = environment
        self._log = log
        self.port = free_port(port)
        self._reports = threading.Semaphore(0)
        self._init_ms: float | None = None
        self._invoke_ms: float | None = None

    @property
    def endpoint(self) -> str:
        """URL for ``--endpoint-url``."""
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        command = [
            *(str(emulator_path()), "--runtime-interface-emulator-address", f"127.0.0.1:{self.port}"),
            *("--runtime-api-address", f"127.0.0.1:{free_port()}"),
            *(sys.executable, "-m", "awslambdaric", self._configuration.handler),
        ]
        # Should this process be killed outright, the kernel ends the emulator, which ends the function.
        if setpriv := shutil.which("setpriv"):
            command = [setpriv, "--pdeathsig", "TERM", *command]
        self._scratch = tempfile.TemporaryDirectory(prefix="lambda-tmp-")
        self._process = subprocess.Popen(
            command,
            cwd=self._configuration.code,
            env=self._function_environment(),
            stdin=subprocess.DEVNULL,
            # One pipe for both, so that their lines stay in the order they were written in.
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            text=True,
            errors="replace",
        )
        self._reader = threading.Thread(target=self._read_log, args=[self._process.stdout], daemon=True)
        self._reader.start()
        try:
            self._wait_until_listening()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stop()

    def invoke(self, event: bytes) -> Answer:
        """Invoke the function and wait for its answer and for its log."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port)
        with contextlib.closing(connection):
            connection.request("POST", INVOKE_PATH, event)
            payload = connection.getresponse().read().decode()
        # A sandbox that died writes no report.
        self._reports.acquire(timeout=_REPORT_SECONDS)
        return Answer(payload, is_error(payload))

    def wait(self) -> None:
        """Wait until the emulator ends, which it does by itself only if it fails."""
        self._process.wait()

    def peak_memory_mb(self) -> float | None:
        """Largest resident set so far of the process the function runs in, in MB of 2**20 bytes."""
        peaks = (peak_memory_mb(pid) for pid in self._runtime_pids())
        return next((peak for peak in peaks if peak is not None), None)

    def _runtime_pids(self) -> list[int]:
        pids: list[int] = []
        for children in Path(f"/proc/{self._process.pid}/task").glob("*/children"):
            with contextlib.suppress(OSError):
                pids.extend(int(pid) for pid in children.read_text(encoding="ascii").split())
        return pids

    def _function_environment(self) -> dict[str, str]:
        configuration = self._configuration
        return {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "TZ": ":UTC",
            "TMPDIR": self._scratch.name,
            "LAMBDA_TASK_ROOT": str(configuration.code),
            "AWS_EXECUTION_ENV": f"AWS_Lambda_python{sys.version_info.major}.{sys.version_info.minor}",
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "AWS_LAMBDA_FUNCTION_NAME": FUNCTION_NAME,
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(configuration.memory_mb),
            "AWS_LAMBDA_FUNCTION_TIMEOUT": str(configuration.timeout_seconds),
            **configuration.environment,
            **self._environment,
        }

    def _wait_until_listening(self) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while self._process.poll() is None and time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return
            time.sleep(0.02)
        raise NotEmulatedError(f"the Runtime Interface Emulator did not start on port {self.port}")

    def _stop(self) -> None:
        if self._process.poll() is None:
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_STOP_SECONDS)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._reader.join(_STOP_SECONDS)
        self._scratch.cleanup()

    def _read_log(self, log: IO[str]) -> None:
        with log:
            for line in log:
                # The runtime keeps the lines of a traceback in one record by ending them with \r.
                self._read_line(line.rstrip("\n").replace("\r", "\n"))

    def _read_line(self, line: str) -> None:
        if measured := _INIT.match(line):
            self._init_ms = float(measured[1])
        elif measured := _INVOKE.match(line):
            self._invoke_ms = float(measured[1])
        elif report := _REPORT.match(line):
            self._log(self._report(report[1], float(report[2])))
            self._reports.release()
        elif not _RAPID.match(line):
            self._log(line)

    def _report(self, request_id: str, emulated_ms: float) -> str:
        init_ms, self._init_ms = self._init_ms, None
        invoke_ms, self._invoke_ms = self._invoke_ms or emulated_ms, None
        peak_mb = self.peak_memory_mb()
        fields = [
            f"REPORT RequestId: {request_id}",
            f"Duration: {invoke_ms:.2f} ms",
            f"Billed Duration: {math.ceil(invoke_ms + (init_ms or 0))} ms",  # init is billed since August 2025
            f"Memory Size: {self._configuration.memory_mb} MB",
        ]
        if peak_mb is not None:
            fields.append(f"Max Memory Used: {math.ceil(peak_mb)} MB")
        if init_ms is not None:
            fields.append(f"Init Duration: {init_ms:.2f} ms")
        return "\t".join(fields)


def peak_memory_mb(pid: int) -> float | None:
    """Largest resident set so far of a process, in MB of 2**20 bytes; None if it has ended."""
    with contextlib.suppress(OSError):
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
        if found := re.search(r"VmHWM:\s+(\d+) kB", status):
            return int(found[1]) / 1024
    return None


def is_error(payload: str) -> bool:
    """Whether an invocation that gave this has failed, which the emulator does not say otherwise."""
    try:
        answer = json.loads(payload)
    except ValueError:
        return True  # a timeout is told as plain text
    return isinstance(answer, dict) and {"errorMessage", "errorType"} <= answer.keys()


def emulator_path() -> Path:
    """Find the emulator for this machine.

    Raises
    ------
    NotEmulatedError
        If there is none.
    """
    machine = {"x86_64": "x86_64", "aarch64": "arm64"}.get(platform.machine())
    if platform.system() != "Linux" or machine is None:
        raise NotEmulatedError(
            "AWS's Runtime Interface Emulator is a program for Linux on x86_64 and arm64; on this machine use "
            "`sam build` and `sam local invoke`, which run it in Docker (README.md)"
        )
    emulator = Path(samcli.__file__).parent / "local" / "rapid" / f"aws-lambda-rie-{machine}"
    if not os.access(emulator, os.X_OK):
        emulator.chmod(0o755)  # pip does not keep the mode of every file
    return emulator


def free_port(wanted: int = 0) -> int:
    """Check that a port of the loopback interface can be listened on; 0 finds one.

    Raises
    ------
    NotEmulatedError
        If it cannot.
    """
    with socket.socket() as probe:
        # As the emulator will bind it, a port that is only waiting for late packets is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", wanted))
        except (OSError, OverflowError) as error:
            raise NotEmulatedError(f"port {wanted} cannot be used: {error}") from error
        return int(probe.getsockname()[1])
