from __future__ import annotations

import math
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from admission.engine import Model
from admission.errors import InvalidInput, PredictionFailed
from admission.inputs import Column, Input
from admission.scoring import score


class HalfOf:
    """A model that halves x, is asked in batches, and refuses every batch that holds a number of `refused`."""

    def __init__(self, refused: Sequence[float] = ()) -> None:
        self.refused = refused
        self.calls = 0
        self.model = Model((Input("x", "number"),), "prediction", self.predict)

    def predict(self, rows: int, columns: Sequence[Column]) -> list[float]:
        self.calls += 1
        numbers = [float(number) for number in columns[0]]
        assert len(numbers) == rows > 0
        if bad := set(numbers) & set(self.refused):
            raise PredictionFailed(f"R: not {min(bad):g}")
        return [math.nan if number < 0 else number / 2 for number in numbers]


def test_all_applicants_are_scored_by_one_call() -> None:
    half = HalfOf()
    assert score(half.model, [{"x": number} for number in range(1000)]) == [number / 2 for number in range(1000)]
    assert half.calls == 1


def test_no_applicant_that_can_be_scored_means_no_call() -> None:
    half = HalfOf()
    assert score(half.model, []) == []
    (outcome,) = score(half.model, [{}])
    assert isinstance(outcome, InvalidInput)
    assert half.calls == 0


def test_a_prediction_that_is_no_number_is_an_error_in_its_place() -> None:
    first, second = score(HalfOf().model, [{"x": 2}, {"x": -2}])
    assert first == 1
    assert isinstance(second, PredictionFailed)


def test_the_search_for_refused_applicants_ends() -> None:
    half = HalfOf(range(1000))
    outcomes = score(half.model, [{"x": 5000}, *({"x": number} for number in range(1000)), {"x": 5000}])
    assert outcomes[0] == 2500
    assert all(isinstance(outcome, PredictionFailed) for outcome in outcomes[1:-1])
    assert str(outcomes[1]) == "R: not 0"
    assert "this or another applicant" in str(outcomes[-1])
    assert half.calls < 100


@given(st.lists(st.integers(0, 9) | st.just("bad"), max_size=40), st.sets(st.integers(0, 9), max_size=3))
def test_an_applicant_that_r_refuses_does_not_take_the_others_with_it(
    values: list[int | str], refused: set[float]
) -> None:
    outcomes = score(HalfOf(sorted(refused)).model, [{"x": value} for value in values])
    assert len(outcomes) == len(values)
    for value, outcome in zip(values, outcomes, strict=True):
        if isinstance(value, str):
            assert isinstance(outcome, InvalidInput)
        elif value in refused:
            assert str(outcome) == f"R: not {value}"
        else:
            assert outcome == value / 2
