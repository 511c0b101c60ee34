from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admission import events
from admission.engine import Model
from admission.errors import AdmissionError, InvalidInput, PredictionFailed
from admission.store import Served

APPLICANT = {"gre": "800", "gpa": "4", "rank": "1"}
THRESHOLD = 0.5


SERVED = Served(Model((), "probability", lambda rows, columns: []), "admission.rds", "v1", '"abc"')


def answer(event: Any, *outcomes: Any) -> Any:
    return events.read(event).reply(outcomes, SERVED, THRESHOLD)


def test_a_direct_event_is_one_applicant() -> None:
    assert events.read(APPLICANT).applicants == [APPLICANT]
    assert answer(APPLICANT, 0.7) == {"result": True}
    assert answer(APPLICANT, 0.3) == {"result": False}


def test_only_a_prediction_above_the_threshold_is_true() -> None:
    assert answer(APPLICANT, THRESHOLD) == {"result": False}


def test_explain_adds_the_prediction_the_threshold_and_the_model() -> None:
    event = APPLICANT | {"explain": True}
    assert events.read(event).applicants == [APPLICANT]
    assert answer(event, 0.7) == {
        "result": True,
        "probability": 0.7,
        "threshold": 0.5,
        "model": {"key": "admission.rds", "version": "v1", "etag": "abc"},
    }
    assert answer(APPLICANT | {"explain": False}, 0.7) == {"result": True}


def test_a_batch_answers_each_in_its_place() -> None:
    event = {"applicants": [APPLICANT, {}, APPLICANT]}
    assert events.read(event).applicants == event["applicants"]
    assert answer(event, 0.7, InvalidInput(["gre: is missing", "gpa: is missing"]), PredictionFailed("R: no")) == {
        "results": [
            {"result": True},
            {"error": {"type": "InvalidInput", "problems": ["gre: is missing", "gpa: is missing"]}},
            {"error": {"type": "PredictionFailed", "problems": ["R: no"]}},
        ]
    }


def test_an_explained_batch_names_the_model_once() -> None:
    explained = answer({"applicants": [APPLICANT], "explain": True}, 0.7)
    assert explained["results"] == [{"result": True, "probability": 0.7}]
    assert explained["model"]["version"] == "v1"


def test_an_empty_batch_has_an_empty_answer() -> None:
    assert answer({"applicants": []}) == {"results": []}


def test_the_warmer_has_no_applicant() -> None:
    assert events.read({"warmer": True}).applicants == ()
    assert answer({"warmer": True}) == {"warmer": True}


@pytest.mark.parametrize(
    "event", [{"warmer": 1}, {"warmer": "true"}, {"warmer": True, "gre": "800"}, {"source": "aws.events"}]
)
def test_only_the_exact_event_is_the_warmer(event: dict[str, Any]) -> None:
    assert events.read(event) == events.Single([event], explain=False, problems=[])


@pytest.mark.parametrize("error", [InvalidInput(["gre: is missing"]), PredictionFailed("R: no")])
def test_what_is_wrong_with_the_one_applicant_fails_the_invocation(error: AdmissionError) -> None:
    with pytest.raises(type(error)) as raised:
        answer(APPLICANT, error)
    assert raised.value is error


def test_a_bad_explain_is_told_together_with_the_bad_inputs() -> None:
    with pytest.raises(InvalidInput, match=r"^explain: must be true or false; gre: is missing$"):
        answer({"explain": "yes"}, InvalidInput(["gre: is missing"]))
    with pytest.raises(InvalidInput, match=r"^explain: must be true or false$"):
        answer(APPLICANT | {"explain": 1}, 0.7)


@pytest.mark.parametrize("event", [None, True, 1, 1.5, "800", [APPLICANT]])
def test_an_event_that_is_no_object_is_refused(event: object) -> None:
    with pytest.raises(InvalidInput, match=r"^event: must be a JSON object"):
        events.read(event)


def test_a_batch_of_more_than_an_event_can_hold_is_refused() -> None:
    assert len(events.read({"applicants": [0] * events.MOST_APPLICANTS}).applicants) == events.MOST_APPLICANTS
    with pytest.raises(InvalidInput, match=r"^applicants: are 200001, must be at most 200000"):
        events.read({"applicants": [0] * (events.MOST_APPLICANTS + 1)})


def test_every_problem_of_a_batch_itself_is_named_at_once() -> None:
    with pytest.raises(InvalidInput) as raised:
        events.read({"applicants": APPLICANT, "explain": None, "gre": "800"})
    assert [problem.partition(":")[0] for problem in raised.value.problems] == ["explain", "applicants", "event"]


@given(st.dictionaries(st.text(), st.none() | st.booleans() | st.integers() | st.text() | st.lists(st.integers())))
def test_any_object_is_read_or_refused(event: dict[str, Any]) -> None:
    try:
        call = events.read(event)
    except InvalidInput:
        return
    assert isinstance(call, (events.Warmer, events.Single, events.Batch))
