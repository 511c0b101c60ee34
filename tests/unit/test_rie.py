from __future__ import annotations

import io
import platform
import socket

import pytest

from emulator.rie import LambdaFunction, NotEmulatedError, emulator_path
from emulator.sandbox import TEMPLATE
from emulator.stack import FunctionConfiguration

CONFIGURATION = FunctionConfiguration(TEMPLATE.parent / "src", "admission.handler.lambda_handler", 128, 6, {})


def logged(*lines: str, peak_mb: float | None = 60.2) -> list[str]:
    """What becomes of lines that the emulator wrote."""
    log: list[str] = []
    function = LambdaFunction(CONFIGURATION, {}, log.append)
    function.peak_memory_mb = lambda: peak_mb  # type: ignore[method-assign]
    function._read_log(io.StringIO("".join(f"{line}\n" for line in lines)))  # noqa: SLF001
    return log


INIT = "22 Nov 2026 12:47:37,307 [INFO] (rapid) INIT REPORT(durationMs: 206.792000)"
DONE = "22 Nov 2026 12:47:37,308 [INFO] (rapid) INVOKE RTDONE(status: success, produced bytes: 0, duration: 0.800000ms)"
LIMITS = "Memory Size: 128 MB\tMax Memory Used: {} MB"
REPORT = "REPORT RequestId: 9f9a\t{}Duration: 207.84 ms\tBilled Duration: 208 ms\t" + LIMITS.format(128) + "\t"


def test_the_report_has_measured_durations_and_memory() -> None:
    (report,) = logged(INIT, DONE, REPORT.format("Init Duration: 0.13 ms\t"))
    measured = f"Duration: 0.80 ms\tBilled Duration: 208 ms\t{LIMITS.format(61)}\tInit Duration: 206.79 ms"
    assert report == f"REPORT RequestId: 9f9a\t{measured}"


def test_a_warm_invocation_has_no_init_duration() -> None:
    assert logged(INIT, DONE, REPORT.format("Init Duration: 0.13 ms\t"), DONE, REPORT.format(""))[1] == (
        f"REPORT RequestId: 9f9a\tDuration: 0.80 ms\tBilled Duration: 1 ms\t{LIMITS.format(61)}"
    )


def test_what_was_not_measured_is_left_out() -> None:
    (report,) = logged(DONE, REPORT.format(""), peak_mb=None)
    assert "Max Memory Used" not in report


def test_a_timeout_is_reported_with_the_time_it_took() -> None:
    (report,) = logged(REPORT.format(""))
    assert "\tDuration: 207.84 ms\t" in report


@pytest.mark.parametrize("line", [INIT, DONE, "22 Nov 2026 12:47:35,877 [INFO] (rapid) exec 'python'"])
def test_what_the_emulator_says_of_itself_is_no_log_of_the_function(line: str) -> None:
    assert logged(line) == []


@pytest.mark.parametrize(
    "line", ["(rapid): is not an input", "x (rapid) INIT REPORT(durationMs: 1)", "REPORT RequestId"]
)
def test_the_function_cannot_write_a_line_that_vanishes(line: str) -> None:
    assert logged(line) == [line]


def test_a_port_that_is_taken_is_told() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(NotEmulatedError, match=f"port {port} cannot be used"):
            LambdaFunction(CONFIGURATION, {}, print, port)


@pytest.mark.parametrize(("system", "machine"), [("Darwin", "arm64"), ("Linux", "riscv64")])
def test_a_machine_without_an_emulator_is_told_what_to_do(
    system: str, machine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform, "system", lambda: system)
    monkeypatch.setattr(platform, "machine", lambda: machine)
    with pytest.raises(NotEmulatedError, match="sam local invoke"):
        emulator_path()


def test_a_traceback_is_shown_on_lines_of_its_own() -> None:
    assert logged("[ERROR] ValueError: no\rTraceback") == ["[ERROR] ValueError: no\nTraceback"]
