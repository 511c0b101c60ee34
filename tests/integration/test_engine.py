from __future__ import annotations

import csv
import json
import logging
import math
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from admission.engine import Engine, Model
from admission.errors import ModelUnusable, PredictionFailed
from admission.inputs import Input
from admission.scoring import score
from emulator.rlang import r_environment
from tests.integration.conftest import REFERENCE_MODEL, ROOT, rscript

CASES = re.findall(
    r'^write_case\("([\w-]+)"', (Path(__file__).with_name("models.R")).read_text(encoding="utf-8"), re.MULTILINE
)
PUBLISHED = {
    "(Intercept)": -3.989979,
    "gre": 0.002264,
    "gpa": 0.804038,
    "rank2": -0.675443,
    "rank3": -1.340204,
    "rank4": -1.551464,
}


@pytest.fixture(scope="module")
def model(engine: Engine, reference_model: bytes) -> Model:
    return engine.load(reference_model)


@pytest.fixture(scope="module")
def coefficients() -> dict[str, float]:
    printed = rscript(Path(__file__).with_name("coefficients.R"), REFERENCE_MODEL)
    return {name: float(value) for name, value in map(str.split, printed.splitlines())}


def arithmetic(coefficients: dict[str, float], gre: float, gpa: float, rank: int) -> float:
    linear = coefficients["(Intercept)"] + coefficients["gre"] * gre + coefficients["gpa"] * gpa
    return 1 / (1 + math.exp(-linear - (coefficients[f"rank{rank}"] if rank > 1 else 0)))


def test_the_reference_model_describes_its_inputs(model: Model) -> None:
    assert model.inputs == (
        Input("gre", "number", minimum=200, maximum=800),
        Input("gpa", "number", minimum=0, maximum=4),
        Input("rank", "level", ("1", "2", "3", "4")),
    )
    assert model.response == "probability"


def test_the_published_coefficients_and_the_model_give_the_same_answers(
    model: Model, coefficients: dict[str, float]
) -> None:
    # The published probabilities, as far as the published rounding of the coefficients allows.
    assert arithmetic(PUBLISHED, 800, 4, 1) == pytest.approx(0.7384082, abs=2e-4)
    assert arithmetic(PUBLISHED, 800, 4, 4) == pytest.approx(0.3743144, abs=2e-4)
    rank_1, rank_4 = model.predict(2, [[800.0, 800.0], [4.0, 4.0], [1, 4]])
    assert rank_1 > 0.5 > rank_4
    # Simulated from the published coefficients, so fitted near them: within three of its own standard errors.
    errors = {"(Intercept)": 1.37, "gre": 0.0011, "gpa": 0.33, "rank2": 0.32, "rank3": 0.34, "rank4": 0.43}
    assert all(abs(coefficients[name] - PUBLISHED[name]) < 3 * error for name, error in errors.items())


@settings(deadline=None, max_examples=300)
@given(st.lists(st.tuples(st.floats(200, 800), st.floats(0, 4), st.integers(1, 4)), min_size=1, max_size=30))
def test_predictions_equal_arithmetic_done_in_python(
    model: Model, coefficients: dict[str, float], applicants: list[tuple[float, float, int]]
) -> None:
    columns = [list(column) for column in zip(*applicants, strict=True)]
    predictions = model.predict(len(applicants), columns)
    for prediction, applicant in zip(predictions, applicants, strict=True):
        assert prediction == pytest.approx(arithmetic(coefficients, *applicant), rel=0, abs=1e-12)


def test_a_batch_gives_each_applicant_what_it_gets_alone(model: Model) -> None:
    applicants = [(gre, gpa, rank) for gre in range(200, 801, 150) for gpa in (0, 2.5, 4) for rank in (1, 2, 3, 4)]
    together = model.predict(len(applicants), [list(column) for column in zip(*applicants, strict=True)])
    alone = [model.predict(1, [[value] for value in applicant])[0] for applicant in applicants]
    assert together == alone


@pytest.mark.parametrize("name", CASES)
def test_a_model_predicts_as_in_the_r_that_made_it(name: str, engine: Engine, models: Path) -> None:
    served = engine.load((models / f"{name}.rds").read_bytes())
    with (models / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        applicants = list(csv.DictReader(file))
    expected = [float(applicant.pop(".expected")) for applicant in applicants]
    assert {field.name for field in served.inputs} == applicants[0].keys()
    # Strings in, as the caller of the original sent them, and not one bit of difference out.
    assert score(served, applicants) == expected
    assert served.response == (
        "probability" if name.startswith("glm") and name not in _OTHER_FAMILIES else "prediction"
    )


_OTHER_FAMILIES = {"glm-constant", "glm-poisson-offset", "glm-poisson-offset-argument", "glm-gamma"}


def test_levels_are_told_from_the_model(engine: Engine, models: Path) -> None:
    described = {
        name: engine.load((models / f"{name}.rds").read_bytes()).inputs[-1]
        for name in ("glm-ordered", "glm-character", "glm-logical", "glm-factor-in-formula", "glm-text")
    }
    assert described["glm-ordered"] == Input("size", "level", ("small", "middle", "large"))
    assert described["glm-factor-in-formula"] == Input("rank", "level", ("1", "2", "3", "4"))
    assert described["glm-logical"] == Input("legacy", "logical")
    character = engine.load((models / "glm-character.rds").read_bytes()).inputs[1]
    assert character == Input("state", "level", ("Iowa", "Ohio", "São Paulo"))


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("data-frame", "the file holds an object of class data.frame, not a fitted model"),
        ("number", "the file holds an object of class numeric, not a fitted model"),
        ("null", "the file holds an object of class NULL, not a fitted model"),
        ("function", "the file holds an object of class function, not a fitted model"),
        ("list", "the file holds an object of class list, not a fitted model"),
        ("prcomp", "the file holds an object of class prcomp, not a fitted model"),
        ("two-responses", "the model predicts 2 numbers for 1 applicants, not one for each"),
        ("time-input", "its input at is of type POSIXct, which an event cannot carry"),
        ("matrix-input", "its input m is of type matrix, which an event cannot carry"),
        (
            "constant-or-column",
            "gre in its formula may be a constant or a column of the data",
        ),
        ("pi", "pi in its formula may be a constant or a column of the data"),
        ("compared-with-a-string", "state in its formula stands only inside a function"),
        ("compared-with-a-number", "size in its formula stands only inside a function"),
        ("factor-and-more", "years in its formula stands inside a function that may need more of it than its levels"),
        ("code-of-a-factor", "tier in its formula stands inside a function that may need more of it than its levels"),
        ("mean-of-the-batch", "the model predicts an applicant differently alone and in a batch"),
        ("median-of-the-batch", "the model predicts an applicant differently alone and in a batch"),
        ("call-removed", "years in its formula may be a constant or a column of the data"),
        ("type-unknown", "rank in its formula stands only inside a function, and the file does not say"),
        ("depends-on-the-batch", "the model predicts an applicant differently alone and in a batch"),
        ("classifier", "the model predicts a factor, not a number"),
        ("package-missing", "there is no package called"),
        ("range-of-no-input", "its attribute ranges names height, but its inputs are gre, gpa, rank"),
        ("range-of-a-factor", "its attribute ranges must give rank as c(minimum, maximum)"),
        ("ranges-without-names", "its attribute ranges must be a list such as list(gre = c(200, 800))"),
        ("range-reversed", "its attribute ranges must give gre as c(minimum, maximum)"),
        ("save", "the file was written by save(); write it with saveRDS()"),
    ],
)
def test_what_cannot_be_served_is_refused_with_the_reason(
    name: str, reason: str, engine: Engine, models: Path, model: Model
) -> None:
    with pytest.raises(ModelUnusable, match=re.escape(reason)):
        engine.load((models / f"refused-{name}.rds").read_bytes())
    assert model.predict(1, [[800.0], [4.0], [1]])[0] > 0.5


@pytest.mark.parametrize(
    "content", [b"", b"<html>", b"\x1f\x8b", b"BZh9", b"\xfd7zXZ\x00", b"X\n", b"X\n\x00\x00\x00\x02"]
)
def test_what_is_no_rds_file_is_refused(content: bytes, engine: Engine) -> None:
    with pytest.raises(ModelUnusable):
        engine.load(content)


@settings(deadline=None)
@given(where=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_a_damaged_file_is_refused(where: float, bit: int, engine: Engine, reference_model: bytes) -> None:
    header = 10  # of gzip, whose bits have no checksum
    position = header + int(where * (len(reference_model) - header))
    flipped = bytearray(reference_model)
    flipped[position] ^= 1 << bit
    for damaged in (reference_model[:position], bytes(flipped)):
        with pytest.raises(ModelUnusable, match="the file is damaged or incomplete"):
            engine.load(damaged)


def test_a_package_the_model_names_is_attached(engine: Engine, models: Path) -> None:
    assert engine.load((models / "with-package.rds").read_bytes()).predict(1, [[800.0], [4.0], [1]])


def test_an_r_error_is_raised_with_its_message_and_the_next_call_works(engine: Engine, models: Path) -> None:
    moody = engine.load((models / "moody.rds").read_bytes())
    with pytest.raises(PredictionFailed, match="^R: one is too lonely$"):
        moody.predict(1, [[1.0]])
    assert len(moody.predict(2, [[5.0, 6.0]])) == 2


@pytest.mark.parametrize(
    ("input_value", "text"), [(2.0, "two is company"), (3.0, "three's a crowd"), (4.0, '[1] "four"')]
)
def test_what_r_prints_goes_to_the_log(
    input_value: float, text: str, engine: Engine, models: Path, caplog: pytest.LogCaptureFixture
) -> None:
    moody = engine.load((models / "moody.rds").read_bytes())
    with caplog.at_level(logging.WARNING, "admission"):
        moody.predict(1, [[input_value]])
        moody.predict(1, [[5.0]])
    (record,) = caplog.records
    assert text in record.__dict__["r"]


def test_a_row_that_has_no_number_is_an_error_in_its_place(engine: Engine, models: Path) -> None:
    log = engine.load((models / "log.rds").read_bytes())
    first, second, third = score(log, [{"gpa": 1}, {"gpa": -1}, {"gpa": 0}])
    assert isinstance(first, float)
    assert isinstance(second, PredictionFailed)
    assert isinstance(third, PredictionFailed)


def test_nothing_a_caller_sends_is_evaluated(engine: Engine, models: Path, tmp_path: Path) -> None:
    code = f'system("touch {tmp_path}/evaluated")'
    for name in ("glm", "glm-character", "glm-text"):
        served = engine.load((models / f"{name}.rds").read_bytes())
        score(served, [{field.name: code for field in served.inputs}])
        score(served, [{field.name: code if field.kind == "text" else "3" for field in served.inputs}])
    assert not any(tmp_path.iterdir())


def test_starting_r_and_loading_a_model_starts_no_process() -> None:
    child = """
import json, resource, sys
started = []
sys.addaudithook(lambda event, arguments: started.append(event) if event in
    ("subprocess.Popen", "os.system", "os.fork", "os.forkpty", "os.posix_spawn", "os.exec") else None)
from admission.engine import Engine
model = Engine().load(open(sys.argv[1], "rb").read())
children = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps([started, children.ru_minflt, model.predict(1, [[800.0], [4.0], [1]])[0] > 0.5]))
"""
    command = [sys.executable, "-c", child, str(REFERENCE_MODEL)]
    printed = subprocess.run(
        command,
        env=r_environment()
        | {
            "PYTHONPATH": str(ROOT / "src"),
            "R_DEFAULT_PACKAGES": "NULL",
        },
        check=True,
        capture_output=True,
        text=True,
    )
    assert json.loads(printed.stdout) == [[], 0, True]
