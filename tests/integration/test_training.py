from __future__ import annotations

import csv
from pathlib import Path

import pytest

from admission.engine import Engine
from emulator.sandbox import TEMPLATE
from tests.integration.conftest import rscript

FOLDER = TEMPLATE.parent / "models" / "admission"


def test_the_committed_data_are_what_the_committed_script_simulates(tmp_path: Path) -> None:
    rscript(FOLDER / "simulate.R", tmp_path / "applicants.csv")
    simulated = (tmp_path / "applicants.csv").read_text(encoding="utf-8")
    assert simulated == (FOLDER / "applicants.csv").read_text(encoding="utf-8")
    rows = list(csv.DictReader(simulated.splitlines()))
    assert len(rows) == 400
    assert rows[0].keys() == {"admit", "gre", "gpa", "rank"}


@pytest.mark.parametrize("url", [False, True])
def test_training_prints_the_summary_and_how_well_it_does(url: bool, tmp_path: Path, engine: Engine) -> None:
    data = FOLDER / "applicants.csv"
    printed = rscript(FOLDER / "train.R", data.as_uri() if url else data, tmp_path / "model.rds")
    for expected in ("glm(formula = admit ~ gre + gpa + rank", "400 applicants", "AUC", "held-out", "accuracy"):
        assert expected in printed
    model = engine.load((tmp_path / "model.rds").read_bytes())
    assert [(field.minimum, field.maximum) for field in model.inputs[:2]] == [(200, 800), (0, 4)]


@pytest.mark.parametrize(
    ("content", "message"),
    [("admit,gre,gpa\n1,800,4\n", "has no column rank"), ("admit,gre,gpa,rank\n2,800,4,1\n", "admit must be 0 or 1")],
)
def test_data_that_cannot_be_used_are_refused(content: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_text(content, encoding="utf-8")
    with pytest.raises(AssertionError, match=message):
        rscript(FOLDER / "train.R", tmp_path / "data.csv", tmp_path / "model.rds")
    assert not (tmp_path / "model.rds").exists()


def test_the_sample_is_the_model_that_training_gives(reference_model: bytes, tmp_path: Path) -> None:
    (tmp_path / "trained.rds").write_bytes(reference_model)
    models = TEMPLATE.parent / "src" / "sample" / "admission.rds", tmp_path / "trained.rds"
    sample, trained = (rscript(Path(__file__).with_name("coefficients.R"), model) for model in models)
    assert sample == trained
    assert "rank4" in sample
