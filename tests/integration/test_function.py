from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from emulator.s3 import EmbeddedS3
from emulator.sandbox import TEMPLATE
from tests.integration.conftest import Function, Log, StartFunction
from tests.integration.faulty_s3 import faulty_s3

EVENTS = TEMPLATE.parent / "events"
ADMIT = (EVENTS / "admit.json").read_bytes()
EXPLAIN = (EVENTS / "explain.json").read_bytes()
RANK = "rank: {}, must be one of 1, 2, 3, 4"
GRE = "gre: {}, must be a number from 200 to 800"
GPA = "gpa: {}, must be a number from 0 to 4"
NOT_PLAIN = "is not a plain decimal number"

# Every file in events/, and what it is told: an answer, or the problems of an InvalidInput.
ANSWERS: dict[str, Any] = {
    "admit": {"result": True},
    "reject": {"result": False},
    "warmer": {"warmer": True},
    "batch": {
        "results": [
            {"result": True},
            {"result": False},
            {"error": {"type": "InvalidInput", "problems": [GRE.format("is out of range")]}},
            {"result": False},
        ]
    },
    "bad-applicants": ["applicants: must be a list of objects, one for each applicant"],
    "bad-code": [GRE.format(NOT_PLAIN)],
    "bad-explain": ["explain: must be true or false"],
    "bad-missing": [GPA.format("is missing")],
    "bad-not-a-number": [GRE.format(NOT_PLAIN)],
    "bad-not-an-object": ["event: must be a JSON object with one applicant's fields, or with applicants"],
    "bad-not-finite": [GRE.format("is not finite"), GPA.format(NOT_PLAIN)],
    "bad-not-plain": [GRE.format(NOT_PLAIN), GPA.format(NOT_PLAIN), RANK.format("is not a known level")],
    "bad-out-of-range": [GRE.format("is out of range"), GPA.format("is out of range")],
    "bad-type": [GRE.format("is a boolean"), GPA.format("is a list"), RANK.format("is null")],
    "bad-unknown-field": ["sat: is not an input of the model, whose inputs are gre, gpa, rank"],
    "bad-unknown-level": [RANK.format("is not a known level")],
}


@pytest.fixture(scope="module")
def storage(reference_model: bytes, address: str) -> Iterator[EmbeddedS3]:
    with EmbeddedS3(address) as storage:
        storage.put("admission.rds", reference_model)
        yield storage


@pytest.fixture(scope="module")
def warm(storage: EmbeddedS3, start: StartFunction) -> Iterator[tuple[Function, Log]]:
    """One sandbox for all tests of this module that leave it as it was."""
    with start(storage) as running:
        yield running


def invoke(function: Function, event: object) -> Any:
    answer = function.invoke(event if isinstance(event, bytes) else json.dumps(event).encode())
    payload = json.loads(answer.payload)
    assert answer.failed == ("errorType" in payload)
    return payload


def records(log: Log) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log if line.startswith("{")]


@pytest.mark.parametrize("path", sorted(EVENTS.glob("*.json")), ids=lambda path: str(path.stem))
def test_every_event_of_the_repository_is_answered(path: Path, warm: tuple[Function, Log]) -> None:
    function, _ = warm
    payload = invoke(function, path.read_bytes())
    if path.stem == "explain":
        assert payload.keys() == {"result", "probability", "threshold", "model"}
        return
    expected = ANSWERS[path.stem]
    if isinstance(expected, list):
        assert (payload["errorType"], payload["errorMessage"]) == ("InvalidInput", "; ".join(expected))
        expected = {"result": True}
        payload = invoke(function, ADMIT)
    assert payload == expected


def test_no_answer_is_expected_of_an_event_that_does_not_exist() -> None:
    assert ANSWERS.keys() | {"explain"} == {path.stem for path in EVENTS.glob("*.json")}


def test_an_explained_answer_names_the_object_in_s3(storage: EmbeddedS3, warm: tuple[Function, Log]) -> None:
    function, _ = warm
    head = storage.client.head_object(Bucket=storage.bucket, Key="admission.rds")
    explained = invoke(function, EXPLAIN)
    assert explained["result"] is True
    assert 0.5 < explained["probability"] < 1
    assert explained["threshold"] == 0.5
    assert explained["model"] == {"key": "admission.rds", "version": head["VersionId"], "etag": head["ETag"].strip('"')}


@pytest.mark.rung("native")  # `sam local` refuses them before the function is asked
@pytest.mark.parametrize("event", [b"", b"{", b"nonsense", b'{"gre": }', b"\xff"])
def test_what_is_no_json_fails_the_invocation_only(event: bytes, warm: tuple[Function, Log]) -> None:
    function, _ = warm
    assert invoke(function, event)["errorType"] == "Runtime.UnmarshalError"
    assert invoke(function, ADMIT) == {"result": True}


def test_a_large_batch_is_answered_in_order(warm: tuple[Function, Log]) -> None:
    function, _ = warm
    applicants = [{"gre": "800", "gpa": "4", "rank": rank} for rank in ("1", "4")] * 10_000
    results = invoke(function, {"applicants": applicants})["results"]
    assert results == [{"result": True}, {"result": False}] * 10_000


@pytest.mark.rung("native")  # `sam local` shows the emulator's own REPORT, which measures nothing
def test_the_log_has_the_lines_lambda_would_write(warm: tuple[Function, Log]) -> None:
    function, log = warm
    del log[:]
    invoke(function, ADMIT)
    (request_id,) = re.findall(r"^START RequestId: (\S+) Version: \$LATEST$", log[0])
    assert log[-2] == f"END RequestId: {request_id}"
    report = re.fullmatch(
        rf"REPORT RequestId: {request_id}\tDuration: ([\d.]+) ms\tBilled Duration: (\d+) ms"
        r"\tMemory Size: 128 MB\tMax Memory Used: (\d+) MB",
        log[-1],
    )
    assert report
    assert 0 < float(report[1]) <= int(report[2])
    assert 30 < int(report[3]) < 128
    (scored,) = (record for record in records(log) if record.get("message") == "scored")
    assert scored["function_request_id"] == request_id
    assert scored["cold_start"] is False
    assert scored["model_version"]
    assert scored["model_ms"] >= 0
    assert scored["predict_ms"] > 0
    (metrics,) = (record for record in records(log) if "_aws" in record)
    assert metrics["Applicants"] == [1.0]
    assert metrics["RejectedApplicants"] == [0.0]
    assert metrics["PredictTime"][0] > 0


def test_a_failure_is_counted_under_the_name_of_its_error(warm: tuple[Function, Log]) -> None:
    function, log = warm
    del log[:]
    invoke(function, {})
    (metrics,) = (record for record in records(log) if "_aws" in record)
    assert metrics["InvalidInput"] == [1.0]
    assert metrics["RejectedApplicants"] == [1.0]
    assert "PredictTime" not in metrics


@pytest.mark.rung("native")
def test_the_first_report_has_the_init_duration(s3: EmbeddedS3, start: StartFunction, reference_model: bytes) -> None:
    s3.put("admission.rds", reference_model)
    with start(s3) as (function, log):
        invoke(function, ADMIT)
        invoke(function, ADMIT)
    first, second = (line for line in log if line.startswith("REPORT"))
    init = re.search(r"Init Duration: ([\d.]+) ms", first)
    assert init
    assert float(init[1]) > 10  # R was started in it
    assert "Init Duration" not in second
    assert [record["cold_start"] for record in records(log) if record.get("message") == "scored"] == [True, False]
    assert sum("ColdStart" in record for record in records(log)) == 1


def test_no_applicant_is_in_the_log(warm: tuple[Function, Log]) -> None:
    function, log = warm
    del log[:]
    invoke(function, {"gre": "777.125", "gpa": "3.21987", "rank": "3"})
    invoke(function, {"gre": "7771.125", "gpa": "secret", "rank": "secret"})
    invoke(function, {"applicants": [{"gre": "777.125", "gpa": 3.21987, "rank": "secret"}, "secret"]})
    assert len([line for line in log if line.startswith("REPORT")]) == 3
    assert not [line for line in log if re.search(r"777\d?\.125|3\.21987|secret", line)]


def test_at_level_debug_the_event_is_in_the_log_and_no_credentials(
    s3: EmbeddedS3, start: StartFunction, reference_model: bytes
) -> None:
    s3.put("admission.rds", reference_model)
    request = {
        "version": "2.0",
        "requestContext": {"http": {"method": "POST", "path": "/admit"}},
        "headers": {"authorization": "credential", "x-amz-security-token": "credential"},
        "body": ADMIT.decode(),
    }
    with start(s3, AWS_LAMBDA_LOG_LEVEL="DEBUG") as (function, log):
        invoke(function, ADMIT)
        assert invoke(function, request)["statusCode"] == 200
    assert [record["event"] for record in records(log) if record.get("message") == "event"] == [json.loads(ADMIT)] * 2
    assert not [line for line in log if "credential" in line]


def test_memory_is_flat_over_hundreds_of_invocations(
    s3: EmbeddedS3, start: StartFunction, reference_model: bytes
) -> None:
    s3.put("admission.rds", reference_model)
    with start(s3) as (function, _):
        for _ in range(200):
            invoke(function, ADMIT)
        settled = function.peak_memory_mb()
        for number in range(300):
            event: object = {"gre": 200 + number, "gpa": "4"} | ({"rank": "1"} if number % 3 else {})
            function.invoke(json.dumps(event).encode())
        peak = function.peak_memory_mb()
    assert settled is not None
    assert peak is not None
    assert peak < 128
    assert peak - settled < 2


def test_memory_is_flat_over_many_refreshes(s3: EmbeddedS3, start: StartFunction, models: Path) -> None:
    peaks = []
    with start(s3, MODEL_REFRESH_SECONDS="0.000001") as (function, _):
        for number in range(40):
            version = s3.put("admission.rds", (models / ("large.rds" if number % 2 else "large-too.rds")).read_bytes())
            assert invoke(function, {"x": 1, "explain": True})["model"]["version"] == version
            peaks.append(function.peak_memory_mb())
    assert peaks[-1] is not None
    assert peaks[4] is not None
    assert peaks[-1] - peaks[4] < 5
    assert peaks[-1] < 128


def test_what_r_says_of_an_unknown_level_does_not_repeat_it(s3: EmbeddedS3, start: StartFunction, models: Path) -> None:
    s3.put("admission.rds", (models / "folded.rds").read_bytes())
    with start(s3) as (function, log):
        payload = invoke(function, {"state": "Secret", "gre": 500})
        assert invoke(function, {"state": "OHIO", "gre": 500})["result"] in (True, False)
    assert payload["errorType"] == "PredictionFailed"
    assert payload["errorMessage"] == "R: factor tolower(state) has a level that the model was not fitted to"
    assert not [line for line in log if re.search("secret", line, re.IGNORECASE)]


def wait_for(seconds: float, check: Any) -> None:
    deadline = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_changed_model_takes_over_between_two_invocations(
    s3: EmbeddedS3, start: StartFunction, models: Path, reference_model: bytes
) -> None:
    s3.put("admission.rds", reference_model)
    with start(s3, MODEL_REFRESH_SECONDS="0.2") as (function, log):
        first = invoke(function, EXPLAIN)
        version = s3.put("admission.rds", (models / "lm.rds").read_bytes())
        wait_for(10, lambda: invoke(function, {"warmer": True}) and invoke(function, EXPLAIN) != first)
        second = invoke(function, EXPLAIN)
        assert second["model"]["version"] == version
        assert "prediction" in second  # an lm's is no probability

        # What cannot serve is told in the log, and the model at hand goes on.
        for broken in (b"nonsense", reference_model[:1000], (models / "refused-list.rds").read_bytes()):
            del log[:]
            s3.put("admission.rds", broken)
            wait_for(10, lambda: invoke(function, EXPLAIN) == second and warnings_of(log))
            warning = warnings_of(log)[0]
            assert (warning["bucket"], warning["key"], warning["error"]) == (
                s3.bucket,
                "admission.rds",
                "ModelUnusable",
            )
        del log[:]
        s3.client.delete_object(Bucket=s3.bucket, Key="admission.rds")
        wait_for(10, lambda: invoke(function, EXPLAIN) == second and warnings_of(log))
        assert "no such object" in warnings_of(log)[0]["reason"]

        version = s3.put("admission.rds", reference_model)
        wait_for(10, lambda: invoke(function, EXPLAIN)["model"]["version"] == version)


def warnings_of(log: Log) -> list[dict[str, Any]]:
    return [record for record in records(log) if "model not refreshed" in record.get("message", "")]


@pytest.mark.parametrize(
    ("mode", "error", "reason"),
    [
        ("404 NoSuchKey", "ModelUnavailable", "the bucket has no such object"),
        ("404 NoSuchBucket", "ModelUnavailable", "the bucket does not exist"),
        ("403 AccessDenied", "ModelUnavailable", "its role needs s3:GetObject"),
        ("500 InternalError", "ModelUnavailable", "500 Internal Server Error"),
        ("slow", "ModelUnavailable", "S3 did not answer in time"),
        ("cut", "ModelUnavailable", "S3 could not be read"),
        ("not-modified", "ModelUnavailable", "S3"),
        ("truncated", "ModelUnusable", "the file is damaged or incomplete"),
        ("html", "ModelUnusable", "the file is not an .rds file"),
        ("no-model", "ModelUnusable", "the file holds an object of class data.frame"),
        ("reserved-name", "ModelUnusable", "its input explain has the name of a field of the event"),
    ],
)
def test_init_survives_and_a_later_invocation_recovers(
    mode: str, error: str, reason: str, address: str, start: StartFunction, models: Path, reference_model: bytes
) -> None:
    contents = {
        "truncated": reference_model[:-100],
        "html": b"<html>not a model</html>",
        "no-model": (models / "refused-data-frame.rds").read_bytes(),
        "reserved-name": (models / "refused-reserved-name.rds").read_bytes(),
    }
    with faulty_s3(contents.get(mode, reference_model), address) as storage, start(storage) as (function, log):
        storage.mode = "ok" if mode in contents else mode
        for _ in range(2 if mode != "slow" else 1):
            payload = invoke(function, ADMIT)
            assert payload["errorType"] == error
            assert reason in payload["errorMessage"]
            assert "s3://models/admission.rds" in payload["errorMessage"]
        assert invoke(function, {"warmer": True})["errorType"] == error
        storage.mode, storage.content = "ok", reference_model
        assert invoke(function, ADMIT) == {"result": True}
    # One sandbox all along: nothing of this ended the process.
    messages = [record.get("message", "") for record in records(log)]
    assert messages.count("no model at init, the next invocation tries again") == 1
    assert sum("ColdStart" in record for record in records(log)) == 1


def test_a_model_that_is_not_the_pinned_one_is_refused(
    s3: EmbeddedS3, start: StartFunction, reference_model: bytes
) -> None:
    s3.put("admission.rds", reference_model)
    with start(s3, MODEL_SHA256="0" * 64) as (function, _):
        payload = invoke(function, ADMIT)
    assert payload["errorType"] == "ModelUnusable"
    assert "MODEL_SHA256 asks for" in payload["errorMessage"]


def test_another_threshold_gives_another_answer(s3: EmbeddedS3, start: StartFunction, reference_model: bytes) -> None:
    s3.put("admission.rds", reference_model)
    with start(s3, THRESHOLD="0.9") as (function, _):
        assert invoke(function, ADMIT) == {"result": False}


def test_wrong_settings_fail_init_and_say_all_that_is_wrong(s3: EmbeddedS3, start: StartFunction) -> None:
    with start(s3, THRESHOLD="half", MODEL_SHA256="abc") as (function, _):
        payload = invoke(function, ADMIT)
    assert payload["errorType"] == "InvalidSettings"
    assert "THRESHOLD" in payload["errorMessage"]
    assert "MODEL_SHA256" in payload["errorMessage"]


def test_r_that_fails_or_talks_leaves_the_function_in_order(s3: EmbeddedS3, start: StartFunction, models: Path) -> None:
    s3.put("admission.rds", (models / "moody.rds").read_bytes())
    with start(s3) as (function, log):
        payload = invoke(function, {"years": 1})
        assert (payload["errorType"], payload["errorMessage"]) == ("PredictionFailed", "R: one is too lonely")
        assert invoke(function, {"years": 3}) == invoke(function, {"years": 3})
        batch = invoke(function, {"applicants": [{"years": years} for years in (7, 1, 8)]})
    assert ["error" in result for result in batch["results"]] == [False, True, False]
    assert any("three's a crowd" in record.get("r", "") for record in records(log))


@pytest.mark.rung("native")  # test_replica.py waits for the template's own 6 s
def test_a_function_that_takes_too_long_is_killed_and_starts_anew(
    s3: EmbeddedS3, start: StartFunction, models: Path
) -> None:
    s3.put("admission.rds", (models / "sleepy.rds").read_bytes())
    with start(s3, AWS_LAMBDA_FUNCTION_TIMEOUT="2") as (function, _):
        answer = function.invoke(b'{"years": 60}')
        assert answer.failed
        assert "timed out after 2.00 seconds" in answer.payload
        assert invoke(function, {"years": 0})["result"] in (True, False)
