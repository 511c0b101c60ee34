from __future__ import annotations

import datetime as dt
import json
import math
import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admission.inputs import Input, read

GRE = Input("gre", "number", minimum=200, maximum=800)
GPA = Input("gpa", "number", minimum=0, maximum=4)
RANK = Input("rank", "level", ("1", "2", "3", "4"))
STATE = Input("state", "level", ("Iowa", "São Paulo"))
LEGACY = Input("legacy", "logical")
BORN = Input("born", "date")
ESSAY = Input("essay", "text")
MODEL = (GRE, GPA, RANK)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
    max_leaves=5,
)
good_numbers = st.floats(200, 800).flatmap(
    lambda x: st.sampled_from([x, f"{x:.15f}", int(x), f"{int(x)}", f"+{int(x)}."])
)
good_applicants = st.fixed_dictionaries(
    {"gre": good_numbers, "gpa": st.floats(0, 4), "rank": st.sampled_from(["1", 2, 3.0, "4.0", "+1", "02"])}
)


def read_one(field: Input, value: object) -> float | int | str:
    columns, problems = read([field], [{field.name: value}])
    assert not problems
    return columns[0][0]


def problem_of(field: Input, value: object) -> str:
    columns, problems = read([field], [{field.name: value}])
    assert columns == [[]]
    (problem,) = problems[0]
    return problem


@pytest.mark.parametrize("rank", ["4", 4, 4.0, "4.0", "4.", "+4", "04"])
def test_a_numeric_level_is_known_by_its_value(rank: object) -> None:
    assert read_one(RANK, rank) == 4


@pytest.mark.parametrize("rank", [" 4 ", "4 ", "0x4", "4e0", "4\n", "", "four", "٤", "5", 5, 4.5, "nan", "1_0"])
def test_any_other_spelling_is_no_level(rank: object) -> None:
    assert problem_of(RANK, rank) == "rank: is not a known level, must be one of 1, 2, 3, 4"


@pytest.mark.parametrize(
    ("gre", "expected"),
    [("800", 800.0), (800, 800.0), ("800.", 800.0), ("+520.50", 520.5), ("00200", 200.0), (2e2, 200.0)],
)
def test_a_number_may_be_a_number_or_a_plain_decimal_string(gre: object, expected: float) -> None:
    assert read_one(GRE, gre) == expected


@pytest.mark.parametrize(
    "gre",
    [
        " 400 ",
        "400\n",
        "4e2",
        "0x190",
        "4_00",
        "4,00",
        "٤٠٠",
        "1/2",
        "NaN",
        "inf",
        "",
        ".",
        "+",
        "--4",
        "4" * 65,
        'system("id")',
    ],
)
def test_any_other_string_is_no_number(gre: str) -> None:
    assert problem_of(GRE, gre) == "gre: is not a plain decimal number, must be a number from 200 to 800"


@pytest.mark.parametrize(
    ("value", "wrong"),
    [
        (None, "is null"),
        (True, "is a boolean"),
        ([400], "is a list"),
        ({"value": 400}, "is an object"),
        (math.nan, "is not finite"),
        (math.inf, "is not finite"),
        (10**400, "is not finite"),
        (199.99, "is out of range"),
        (-0.0, "is out of range"),
        ("801", "is out of range"),
    ],
)
def test_what_is_wrong_with_a_number_is_named(value: object, wrong: str) -> None:
    assert problem_of(GRE, value) == f"gre: {wrong}, must be a number from 200 to 800"


def test_a_number_without_a_range_takes_every_finite_number() -> None:
    assert read_one(Input("x", "number"), "-1000000") == -1e6
    assert problem_of(Input("x", "number"), "x") == "x: is not a plain decimal number, must be a number"


def test_levels_that_are_no_numbers_are_told_apart_as_strings() -> None:
    assert read_one(STATE, "São Paulo") == 2
    assert problem_of(STATE, "iowa") == "state: is not a known level, must be one of Iowa, São Paulo"
    assert problem_of(STATE, 1) == "state: is a number, must be one of Iowa, São Paulo"


def test_a_level_is_known_by_its_value_also_where_r_writes_it_with_an_exponent() -> None:
    income = Input("income", "level", ("50000", "1e+05"))
    assert [read_one(income, value) for value in (100000, "100000", "1e+05", "50000")] == [2, 2, 2, 1]


def test_levels_of_one_value_are_told_apart_as_strings_only() -> None:
    code = Input("code", "level", ("01", "1", "2"))
    assert [read_one(code, value) for value in ("01", "1", 2)] == [1, 2, 3]
    assert problem_of(code, 1) == "code: is not a known level, must be one of 01, 1, 2"


def test_a_level_that_cannot_be_seen_is_quoted() -> None:
    odd = Input("odd", "level", ("", " 4 ", "x" * 100, "São Paulo"))
    assert problem_of(odd, "?").endswith(f'must be one of "", " 4 ", {"x" * 39}…, São Paulo')


@pytest.mark.parametrize(("value", "expected"), [(True, 2), (False, 1), ("TRUE", 2)])
def test_a_logical_that_became_a_factor_takes_booleans(value: object, expected: int) -> None:
    assert read_one(Input("legacy", "level", ("FALSE", "TRUE")), value) == expected


def test_a_range_is_told_with_all_its_digits() -> None:
    assert problem_of(Input("x", "number", minimum=0, maximum=1234567.5), -1).endswith("a number from 0 to 1234567.5")


def test_many_levels_are_not_all_listed() -> None:
    zip_code = Input("zip", "level", tuple(str(code) for code in range(1000)))
    problem = problem_of(zip_code, "x")
    assert problem.endswith("18, 19, … (1000 in all)")


@pytest.mark.parametrize(("legacy", "expected"), [(True, 1), (False, 0), ("true", 1), ("FALSE", 0)])
def test_a_logical_takes_booleans_and_their_names(legacy: object, expected: int) -> None:
    assert read_one(LEGACY, legacy) == expected


@pytest.mark.parametrize(
    ("legacy", "wrong"), [(1, "is a number"), ("yes", "is neither"), ("T", "is neither"), (None, "is null")]
)
def test_a_logical_takes_nothing_else(legacy: object, wrong: str) -> None:
    assert problem_of(LEGACY, legacy) == f"legacy: {wrong}, must be true or false"


@given(st.dates())
def test_a_date_is_the_days_since_1970(day: dt.date) -> None:
    assert read_one(BORN, day.isoformat()) == (day - dt.date(1970, 1, 1)).days


@pytest.mark.parametrize("born", ["2026-02-30", "20260131", "2026-W05-6", "31.01.2026", "2026-1-31", "2026-01-31 ", ""])
def test_a_date_in_another_form_is_refused(born: str) -> None:
    assert problem_of(BORN, born) == "born: is not a date, must be a date as YYYY-MM-DD"


@pytest.mark.parametrize("essay", ["nul \0", "half \ud800"])
def test_a_text_that_r_cannot_hold_is_refused(essay: str) -> None:
    assert problem_of(ESSAY, essay) == "essay: has characters that R strings cannot hold, must be a string"


def test_every_problem_of_an_applicant_is_named_at_once() -> None:
    columns, problems = read(MODEL, [{"gre": "x", "gpa": 5, "sat": 1600}])
    assert columns == [[], [], []]
    assert problems == {
        0: [
            "sat: is not an input of the model, whose inputs are gre, gpa, rank",
            "gre: is not a plain decimal number, must be a number from 200 to 800",
            "gpa: is out of range, must be a number from 0 to 4",
            "rank: is missing, must be one of 1, 2, 3, 4",
        ]
    }


def test_good_applicants_keep_their_order_around_bad_ones() -> None:
    good = [{"gre": gre, "gpa": 3, "rank": 1} for gre in (300, 400, 500)]
    columns, problems = read(MODEL, [good[0], {}, good[1], "nobody", good[2]])
    assert columns == [[300.0, 400.0, 500.0], [3.0, 3.0, 3.0], [1, 1, 1]]
    assert problems.keys() == {1, 3}
    assert problems[3] == ["applicant: is a string, must be an object with gre, gpa, rank"]


def test_thousands_of_unknown_fields_make_a_short_message() -> None:
    _, problems = read(MODEL, [{f"x{i}": 0 for i in range(10_000)}])
    assert len(problems[0]) == 21
    assert problems[0][-1] == "and 9983 more problems"


@pytest.mark.parametrize(
    ("name", "shown"),
    [("sat", "sat"), ("a b", '"a b"'), ("x\n2026 ERROR", r'"x\n2026 ERROR"'), ("é", r'"\u00e9"'), ("", '""')],
)
def test_a_field_name_cannot_forge_a_line_of_the_log(name: str, shown: str) -> None:
    _, problems = read(MODEL, [{"gre": 400, "gpa": 3, "rank": 1, name: 0}])
    assert problems[0] == [f"{shown}: is not an input of the model, whose inputs are gre, gpa, rank"]


def test_a_long_field_name_is_cut() -> None:
    _, problems = read(MODEL, [{"gre": 400, "gpa": 3, "rank": 1, "x" * 1000: 0}])
    assert len(problems[0][0]) < 120


@given(st.lists(good_applicants))
def test_good_applicants_have_no_problems(applicants: list[dict[str, Any]]) -> None:
    columns, problems = read(MODEL, applicants)
    assert not problems
    assert [len(column) for column in columns] == [len(applicants)] * 3
    assert columns[0] == [float(applicant["gre"]) for applicant in applicants]


@given(st.lists(json_values | st.dictionaries(st.sampled_from(["gre", "gpa", "rank", "x"]), json_values), max_size=5))
def test_any_json_is_either_read_or_has_a_problem_that_names_a_field(applicants: list[Any]) -> None:
    columns, problems = read(MODEL, applicants)
    assert {len(column) for column in columns} == {len(applicants) - len(problems)}
    assert all(200 <= float(gre) <= 800 for gre in columns[0])
    assert all(0 <= float(gpa) <= 4 for gpa in columns[1])
    assert set(columns[2]) <= {1, 2, 3, 4}
    for listed in problems.values():
        assert listed
        assert all(": " in problem and problem.isprintable() for problem in listed)


@given(st.text(alphabet=string.printable, min_size=3))
def test_no_value_is_repeated_in_a_message(value: str) -> None:
    secret = f"secret{value}"
    _, problems = read(MODEL, [{"gre": secret, "gpa": [secret], "rank": secret}])
    assert "secret" not in json.dumps(problems[0])
