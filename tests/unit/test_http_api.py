from __future__ import annotations

import base64
import json
import logging
from http import HTTPStatus
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admission import http_api
from admission.errors import AdmissionError, InvalidInput, ModelUnavailable, PredictionFailed

APPLICANT = {"gre": "800", "gpa": "4", "rank": "1"}


def request(body: object, **fields: object) -> dict[str, Any]:
    """The parts of API Gateway's payload format 2.0 that matter here."""
    return {
        "version": "2.0",
        "routeKey": "POST /admit",
        "requestContext": {"http": {"method": "POST", "path": "/admit"}, "stage": "$default"},
        "body": body,
        "isBase64Encoded": False,
        **fields,
    }


def respond(event: dict[str, Any], reply: object = None, error: AdmissionError | None = None) -> tuple[Any, Any]:
    """The event the function would have been asked, and the response."""
    asked: list[object] = []

    def answer(direct: object) -> object:
        asked.append(direct)
        if error:
            raise error
        return reply

    assert http_api.is_request(event)
    response = http_api.respond(event, answer)
    (direct,) = asked
    return direct, response


def test_the_body_is_the_event_and_the_reply_is_the_body() -> None:
    direct, response = respond(request(json.dumps(APPLICANT)), {"result": True})
    assert direct == APPLICANT
    assert response == {
        "statusCode": 200,
        "headers": {"content-type": "application/json"},
        "body": '{"result": true}',
    }


def test_a_body_may_come_in_base64() -> None:
    encoded = base64.b64encode(json.dumps(APPLICANT).encode()).decode()
    assert respond(request(encoded, isBase64Encoded=True))[0] == APPLICANT


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (InvalidInput(["gre: is missing", "gpa: is missing"]), 400),
        (PredictionFailed("R: no"), 422),
        (ModelUnavailable("S3 did not answer in time"), 503),
        (AdmissionError("else"), 500),
    ],
)
def test_an_error_is_a_problem_with_a_status(error: AdmissionError, status: int) -> None:
    _, response = respond(request("{}"), error=error)
    problem = json.loads(response["body"])
    assert response["statusCode"] == problem["status"] == status
    assert response["headers"] == {"content-type": "application/problem+json"}
    assert (problem["error"], problem["detail"]) == (type(error).__name__, str(error))
    assert problem["title"] == HTTPStatus(status).phrase
    assert problem.get("problems") == (["gre: is missing", "gpa: is missing"] if status == 400 else None)


def test_what_is_wrong_here_is_logged_as_an_error(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    respond(request("{}"), error=InvalidInput(["gre: is missing"]))
    respond(request("{}"), error=ModelUnavailable("S3 did not answer in time"))
    respond(request("{}"), error=PredictionFailed("R: no"))
    assert [record.levelname for record in caplog.records] == ["INFO", "ERROR", "ERROR"]


@pytest.mark.parametrize("body", [None, "", "{", "nonsense", 7, {"gre": 800}, "[" * 100_000])
def test_a_body_that_is_no_json_is_no_event(body: object) -> None:
    assert respond(request(body))[0] is None


@pytest.mark.parametrize("body", ["eyJncmUiOiAx!!!fQ==", "e", "//8=", "{}"])
def test_a_body_that_is_no_base64_of_json_is_no_event(body: str) -> None:
    assert respond(request(body, isBase64Encoded=True))[0] is None


@given(st.text(), st.booleans())
def test_no_body_whatever_is_in_it_fails_the_invocation(body: str, encoded: bool) -> None:
    _, response = respond(request(body, isBase64Encoded=encoded), error=InvalidInput(["event: …"]))
    assert response["statusCode"] == 400


@pytest.mark.parametrize(
    "event",
    [
        APPLICANT,
        {"version": "2.0"},
        {"version": "2.0", "requestContext": {}},
        {"version": "2.0", "requestContext": {"http": "x"}},
        {"version": "1.0", "requestContext": {"http": {}}},
        {"body": "{}"},
        None,
        [],
        "2.0",
    ],
)
def test_a_direct_event_is_no_request(event: object) -> None:
    assert not http_api.is_request(event)
