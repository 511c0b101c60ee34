"""The callers: how each one's event is read, and how each one is answered.

A direct event is one applicant, ``{"gre": …, "gpa": …, "rank": …}``, or several, ``{"applicants": [{…}, …]}``; the
schedule that keeps the function warm sends ``{"warmer": true}``. Callers are told apart by these fields alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from admission.errors import AdmissionError, InvalidInput
from admission.scoring import Outcome
from admission.store import Served

# More than an event of 6 MB can hold of real applicants; each of a million empty ones would still get its problems.
MOST_APPLICANTS = 200_000

Reply = dict[str, Any]


@dataclass(frozen=True)
class Warmer:
    """The schedule's event: no applicant, only a reason to look whether the model is still the newest."""

    applicants: Sequence[object] = ()

    def reply(self, outcomes: Sequence[Outcome], served: Served, threshold: float) -> Reply:
        return {"warmer": True}


@dataclass(frozen=True)
class Single:
    """One applicant. What is wrong with it fails the invocation."""

    applicants: Sequence[object]
    explain: bool
    problems: Sequence[str] = ()

    def reply(self, outcomes: Sequence[Outcome], served: Served, threshold: float) -> Reply:
        (outcome,) = outcomes
        if self.problems:
            raise InvalidInput([*self.problems, *(outcome.problems if isinstance(outcome, InvalidInput) else ())])
        if isinstance(outcome, AdmissionError):
            raise outcome
        answer = _answer(outcome, served, threshold, self.explain)
        return answer | _explanation(served, threshold) if self.explain else answer


@dataclass(frozen=True)
class Batch:
    """Several applicants. What is wrong with one is the answer in its place; the others are answered."""

    applicants: Sequence[object]
    explain: bool

    def reply(self, outcomes: Sequence[Outcome], served: Served, threshold: float) -> Reply:
        answers = [
            _error(outcome)
            if isinstance(outcome, AdmissionError)
            else _answer(outcome, served, threshold, self.explain)
            for outcome in outcomes
        ]
        return {"results": answers} | (_explanation(served, threshold) if self.explain else {})


Call = Warmer | Single | Batch


def read(event: object) -> Call:
    """Decide who is calling.

    Raises
    ------
    InvalidInput
        If the event is no object, or one of its own fields (not an applicant's) is wrong.
    """
    if not isinstance(event, Mapping):
        raise InvalidInput(["event: must be a JSON object with one applicant's fields, or with applicants"])
    if event == {"warmer": True} and event["warmer"] is True:
        return Warmer()

    problems: list[str] = []
    explain = event.get("explain", False)
    if not isinstance(explain, bool):
        problems.append("explain: must be true or false")
    if "applicants" not in event:
        applicant = {name: value for name, value in event.items() if name != "explain"}
        # Reported with the applicant's own problems, all at once.
        return Single([applicant], explain, problems)

    applicants = event["applicants"]
    if not isinstance(applicants, list):
        problems.append("applicants: must be a list of objects, one for each applicant")
    elif len(applicants) > MOST_APPLICANTS:
        problems.append(f"applicants: are {len(applicants)}, must be at most {MOST_APPLICANTS} in one event")
    if event.keys() - {"applicants", "explain"}:
        problems.append("event: beside applicants only explain is allowed")
    if problems:
        raise InvalidInput(problems)
    return Batch(applicants, explain)


def _answer(prediction: float, served: Served, threshold: float, explain: bool) -> Reply:
    answer: Reply = {"result": prediction > threshold}
    if explain:
        answer[served.model.response] = prediction
    return answer


def _explanation(served: Served, threshold: float) -> Reply:
    return {"threshold": threshold, "model": dict(served.identity)}


def _error(error: AdmissionError) -> Reply:
    problems = error.problems if isinstance(error, InvalidInput) else (str(error),)
    return {"error": {"type": type(error).__name__, "problems": list(problems)}}
