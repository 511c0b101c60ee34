"""The environment of the function: read once, validated, frozen."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from admission.errors import InvalidSettings


@dataclass(frozen=True)
class Settings:
    """What the function is told from outside.

    Attributes
    ----------
    bucket, key
        Where the model is in S3 (``MODEL_BUCKET``, ``MODEL_KEY``). For a run without S3 the bucket is a folder, as
        ``file:///folder``.
    sha256
        Lower-case hex digest the model file must have, or None for any file (``MODEL_SHA256``).
    refresh_seconds
        Age after which S3 is asked for a newer model; 0 is never (``MODEL_REFRESH_SECONDS``).
    threshold
        A prediction above it answers true (``THRESHOLD``).
    """

    bucket: str
    key: str = "admission.rds"
    sha256: str | None = None
    refresh_seconds: float = 300.0
    threshold: float = 0.5

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """Read and check the settings; an empty variable counts as one that is not set.

        Raises
        ------
        InvalidSettings
            With every variable that is wrong.
        """
        problems: list[str] = []

        def text(name: str, default: str = "") -> str:
            return environment.get(name, "").strip() or default

        def number(name: str, default: float) -> float:
            try:
                value = float(text(name, str(default)))
            except ValueError:
                value = math.nan
            if not math.isfinite(value):
                problems.append(f"{name} must be a number")
            return value

        bucket = text("MODEL_BUCKET")
        if not re.fullmatch("[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]|file:///.+", bucket):
            problems.append("MODEL_BUCKET must name the bucket that holds the model, or a folder as file:///folder")
        refresh_seconds = number("MODEL_REFRESH_SECONDS", cls.refresh_seconds)
        if refresh_seconds < 0:
            problems.append("MODEL_REFRESH_SECONDS must be 0 (never) or more")
        threshold = number("THRESHOLD", cls.threshold)
        sha256 = text("MODEL_SHA256").lower() or None
        if sha256 and not re.fullmatch("[0-9a-f]{64}", sha256):
            problems.append("MODEL_SHA256 must be 64 hexadecimal digits")
        if problems:
            raise InvalidSettings("; ".join(problems))
        return cls(bucket, text("MODEL_KEY", cls.key), sha256, refresh_seconds, threshold)
