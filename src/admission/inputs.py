"""One applicant against the model's own description of its inputs.

A fitted R model knows its variables, their types and the levels of its factors, so nothing about gre, gpa or rank is
written here. Values become plain numbers (a level becomes its position), which is all that ever reaches R but for the
strings of text variables.
"""

from __future__ import annotations

import datetime as dt
import itertools
import json
import math
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

# Fields of an event that are no inputs; a model with an input of such a name cannot be served.
RESERVED = frozenset({"applicants", "explain", "warmer"})

Kind = Literal["number", "level", "logical", "date", "text"]
Column = list[float] | list[int] | list[str]

# Decimal notation and nothing else: no exponent, hexadecimal, blank, "inf" or digit of another script. The length is
# more than any double needs, and keeps a megabyte of digits away from float().
_PLAIN_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)")
# R itself writes the level 100000 as 1e+05.
_LEVEL_NUMBER = re.compile(_PLAIN_NUMBER.pattern + "(e[+-][0-9]+)?")
_LONGEST_NUMBER = 64
_LISTED_NAMES = 20
_LISTED_PROBLEMS = 20
_SHOWN_NAME = 40
_EPOCH = dt.date(1970, 1, 1).toordinal()


class _Refused(Exception):
    """What is wrong with one value, as the predicate of a sentence about its field."""


@dataclass(frozen=True)
class Input:
    """One variable of the model, as the model describes it.

    Attributes
    ----------
    name
        The variable's name in the model formula.
    kind
        ``number``, ``level`` (one of `levels`), ``logical``, ``date`` or ``text``.
    levels
        The allowed values of a factor or character variable.
    minimum, maximum
        The allowed range of a number, where the model carries one.
    """

    name: str
    kind: Kind
    levels: tuple[str, ...] = ()
    minimum: float = -math.inf
    maximum: float = math.inf

    @cached_property
    def allowed(self) -> str:
        """What a caller may send, as the end of the sentence "must be …"."""
        if self.kind == "level":
            return f"one of {_listing([_level(level) for level in self.levels])}"
        if self.kind == "logical":
            return "true or false"
        if self.kind == "date":
            return "a date as YYYY-MM-DD"
        if self.kind == "text":
            return "a string"
        if self.minimum > -math.inf or self.maximum < math.inf:
            return f"a number from {self.minimum:.15g} to {self.maximum:.15g}"
        return "a number"

    @cached_property
    def read(self) -> Callable[[object], float | int | str]:
        """The reader of one value of this input; it raises `_Refused`."""
        readers: dict[Kind, Callable[[object], float | int | str]] = {
            "number": self._read_number,
            "level": self._read_level,
            "logical": self._read_logical,
            "date": self._read_date,
            "text": self._read_text,
        }
        return readers[self.kind]

    def _read_number(self, value: object) -> float:
        number = _number(value)
        if not self.minimum <= number <= self.maximum:
            raise _Refused("is out of range")
        return number

    def _read_level(self, value: object) -> int:
        if isinstance(value, bool) and str(value).upper() in self._level_by_name:
            value = str(value).upper()  # a logical that the formula made a factor of
        if isinstance(value, str) and value in self._level_by_name:
            return self._level_by_name[value]
        # "4", 4 and 4.0 are one level, but only where the level itself is a number.
        if self._level_by_number:
            try:
                number = _number(value)
            except _Refused as refused:
                if not isinstance(value, str):
                    raise
                raise _Refused("is not a known level") from refused
            if number in self._level_by_number:
                return self._level_by_number[number]
        elif not isinstance(value, str):
            raise _Refused(_of_wrong_type(value))
        raise _Refused("is not a known level")

    def _read_logical(self, value: object) -> int:
        if isinstance(value, bool):
            return int(value)
        if isinstance(value, str) and value.lower() in ("true", "false"):
            return int(value.lower() == "true")
        raise _Refused("is neither" if isinstance(value, str) else _of_wrong_type(value))

    def _read_date(self, value: object) -> float:
        if not isinstance(value, str):
            raise _Refused(_of_wrong_type(value))
        try:
            # The length, because fromisoformat also takes 20260131 and 2026-W05-6.
            if len(value) == len("YYYY-MM-DD") and value[4] == value[7] == "-":
                return float(dt.date.fromisoformat(value).toordinal() - _EPOCH)
        except ValueError:
            pass  # such as February 30, refused like every other string
        raise _Refused("is not a date")

    def _read_text(self, value: object) -> str:
        if not isinstance(value, str):
            raise _Refused(_of_wrong_type(value))
        if "\0" in value or not _encodable(value):
            raise _Refused("has characters that R strings cannot hold")
        return value

    @cached_property
    def _level_by_name(self) -> Mapping[str, int]:
        return {level: position for position, level in enumerate(self.levels, start=1)}

    @cached_property
    def _level_by_number(self) -> Mapping[float, int]:
        numbers = [
            (float(level), position)
            for level, position in self._level_by_name.items()
            if len(level) <= _LONGEST_NUMBER and _LEVEL_NUMBER.fullmatch(level)
        ]
        # "1" and "01" can only be told apart as strings.
        times = Counter(number for number, _ in numbers)
        return {number: position for number, position in numbers if times[number] == 1}


def read(inputs: Sequence[Input], applicants: Sequence[object]) -> tuple[list[Column], dict[int, list[str]]]:
    """Turn applicants into the columns R predicts from.

    Parameters
    ----------
    inputs
        The model's description of its inputs.
    applicants
        Any JSON values; a good one is an object with one field for each input.

    Returns
    -------
    columns
        One for each input and in that order, with one entry for each applicant that has no problem, in their order.
    problems
        For each applicant that cannot be scored, by position: everything that is wrong with it.
    """
    problems: dict[int, list[str]] = {}
    rows = _rows(inputs, applicants, problems)
    columns: list[Any] = [_column(field, rows, problems) for field in inputs]
    if problems:
        good = [position not in problems for position in rows]
        columns = [list(itertools.compress(column, good)) for column in columns]
    for listed in problems.values():
        if (more := len(listed) - _LISTED_PROBLEMS) > 0:
            listed[_LISTED_PROBLEMS:] = [f"and {more} more problems"]
    return columns, problems


def _rows(
    inputs: Sequence[Input], applicants: Sequence[object], problems: dict[int, list[str]]
) -> dict[int, Mapping[str, object]]:
    """Pick the applicants that are objects, by position, and report fields no input has."""
    names = [field.name for field in inputs]
    known = set(names)
    expected = _listing(names) or "none"
    rows: dict[int, Mapping[str, object]] = {}
    for position, applicant in enumerate(applicants):
        if not isinstance(applicant, Mapping):
            problems[position] = [f"applicant: {_of_wrong_type(applicant)}, must be an object with {expected}"]
            continue
        rows[position] = applicant
        if not applicant.keys() <= known:
            problems[position] = [
                f"{_shown(name)}: is not an input of the model, whose inputs are {expected}"
                for name in applicant
                if name not in known
            ]
    return rows


def _column(field: Input, rows: Mapping[int, Mapping[str, object]], problems: dict[int, list[str]]) -> Column:
    """Read one input of every row and report what cannot be read; the row's entry has no meaning then."""
    name, read_value = field.name, field.read
    column: list[Any] = []
    for position, row in rows.items():
        try:
            column.append(read_value(row[name]))
        except (KeyError, _Refused) as error:
            wrong = "is missing" if isinstance(error, KeyError) else str(error)
            problems.setdefault(position, []).append(f"{name}: {wrong}, must be {field.allowed}")
            column.append(None)
    return column


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise _Refused(_of_wrong_type(value))
    if isinstance(value, str) and not _is_plain_number(value):
        raise _Refused("is not a plain decimal number")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise _Refused("is not finite")
    return number


def _is_plain_number(text: str) -> bool:
    return len(text) <= _LONGEST_NUMBER and _PLAIN_NUMBER.fullmatch(text) is not None


def _of_wrong_type(value: object) -> str:
    if value is None:
        return "is null"
    if isinstance(value, bool):
        return "is a boolean"
    if isinstance(value, (int, float)):
        return "is a number"
    if isinstance(value, str):
        return "is a string"
    return "is a list" if isinstance(value, list) else "is an object"


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # a lone surrogate, which JSON can carry and UTF-8 cannot
        return False
    return True


def _listing(names: Sequence[str]) -> str:
    listed = ", ".join(names[:_LISTED_NAMES])
    return listed if len(names) <= _LISTED_NAMES else f"{listed}, … ({len(names)} in all)"


def _level(level: str) -> str:
    """Quote a level that would not be seen for what it is, and cut a long one short."""
    short = _cut(level)
    return short if short.strip() == short != "" and short.isprintable() else json.dumps(short, ensure_ascii=False)


def _cut(name: str) -> str:
    return name if len(name) <= _SHOWN_NAME else name[: _SHOWN_NAME - 1] + "…"


def _shown(name: str) -> str:
    """A field name the caller invented: quoted unless plain, cut short, and on one line of ASCII for the log."""
    short = _cut(name)
    return short if short.isidentifier() and short.isascii() else json.dumps(short)
