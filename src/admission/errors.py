"""What can go wrong, in the words a caller gets.

The class name is the ``errorType`` of a failed invocation and the message its ``errorMessage``. The runtime also
writes both to the log, so a message may name fields, never the values an applicant gave.
"""

from __future__ import annotations

from collections.abc import Sequence


class AdmissionError(Exception):
    """Base of every error this function raises on purpose.

    Attributes
    ----------
    status
        What a caller over HTTP gets it as.
    """

    status = 500


class InvalidSettings(AdmissionError):
    """The environment of the function is wrong; init fails, because only a new deployment can repair it."""


class InvalidInput(AdmissionError):
    """The caller's event cannot be answered.

    Attributes
    ----------
    problems
        One sentence for each bad field, each naming the field and what is allowed.
    """

    status = 400

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = tuple(problems)


class ModelError(AdmissionError):
    """There is no model to answer with. A later invocation tries again."""

    status = 503


class ModelUnavailable(ModelError):
    """The model file could not be fetched from S3."""


class ModelUnusable(ModelError):
    """A file was fetched, but it is not the pinned file, is damaged, or is not a model that can predict."""


class PredictionFailed(AdmissionError):
    """R raised an error, or has no number to give, for an applicant that passed every check."""

    status = 422
