"""From applicants to one prediction, or one error, for each of them."""

from __future__ import annotations

import math
from collections.abc import Sequence

from admission import inputs
from admission.engine import Model
from admission.errors import InvalidInput, PredictionFailed

# Refused applicants that are sought in a batch. Each takes a call of R for every halving, and the function has 6 s.
_SOUGHT = 8

Outcome = float | InvalidInput | PredictionFailed


def score(model: Model, applicants: Sequence[object]) -> list[Outcome]:
    """Score applicants by a single call of R for all that pass the checks.

    Parameters
    ----------
    model
        The model, with its own description of a good applicant.
    applicants
        Any JSON values.

    Returns
    -------
    list
        In the order of the applicants: a finite prediction, or what is wrong.
    """
    columns, problems = inputs.read(model.inputs, applicants)
    predictions = iter(_predict(model, len(applicants) - len(problems), columns, []))
    return [
        InvalidInput(problems[position]) if position in problems else next(predictions)
        for position in range(len(applicants))
    ]


def _predict(
    model: Model, rows: int, columns: Sequence[inputs.Column], refused: list[PredictionFailed]
) -> list[Outcome]:
    if rows == 0:
        return []
    try:
        predictions = model.predict(rows, columns)
    except PredictionFailed as error:
        if rows == 1:
            refused.append(error)
            return [error]
        if len(refused) >= _SOUGHT:
            return [PredictionFailed(f"{error} (this or another applicant; too many are refused to tell)")] * rows
        # R refuses all rows because of one: halve until it stands alone.
        half = rows // 2
        first, second = [column[:half] for column in columns], [column[half:] for column in columns]
        return _predict(model, half, first, refused) + _predict(model, rows - half, second, refused)
    return [
        prediction if math.isfinite(prediction) else PredictionFailed("the model has no number for this applicant")
        for prediction in predictions
    ]
