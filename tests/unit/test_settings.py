from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admission.errors import InvalidSettings
from admission.settings import Settings

DIGEST = "0123456789abcdef" * 4
NAMES = ["MODEL_BUCKET", "MODEL_KEY", "MODEL_SHA256", "MODEL_REFRESH_SECONDS", "THRESHOLD"]


def test_only_the_bucket_is_needed() -> None:
    assert Settings.from_environment({"MODEL_BUCKET": "models"}) == Settings(
        bucket="models", key="admission.rds", sha256=None, refresh_seconds=300, threshold=0.5
    )


def test_everything_can_be_set() -> None:
    environment = dict(zip(NAMES, ["models", "a/b.rds", DIGEST.upper(), "0", "0.25"], strict=True))
    assert Settings.from_environment(environment) == Settings("models", "a/b.rds", DIGEST, 0, 0.25)


def test_an_empty_variable_is_one_that_is_not_set() -> None:
    environment = {"MODEL_BUCKET": "models", "MODEL_SHA256": "", "THRESHOLD": "", "MODEL_KEY": " "}
    assert Settings.from_environment(environment) == Settings("models")


def test_a_folder_may_stand_for_the_bucket() -> None:
    assert Settings.from_environment({"MODEL_BUCKET": "file:///var/task/sample"}).bucket == "file:///var/task/sample"


@pytest.mark.parametrize(
    "bucket", ["No Such_Bucket", "a", "s3://models", "-models", "x" * 64, "file://", "file:///", "file://host/folder"]
)
def test_what_is_no_name_of_a_bucket_is_refused(bucket: str) -> None:
    with pytest.raises(InvalidSettings, match="MODEL_BUCKET"):
        Settings.from_environment({"MODEL_BUCKET": bucket})


def test_every_wrong_variable_is_named_at_once() -> None:
    with pytest.raises(InvalidSettings) as raised:
        Settings.from_environment({"MODEL_SHA256": "abc", "MODEL_REFRESH_SECONDS": "-1", "THRESHOLD": "nan"})
    for name in ("MODEL_BUCKET", "MODEL_SHA256", "MODEL_REFRESH_SECONDS", "THRESHOLD"):
        assert name in str(raised.value)


@given(st.dictionaries(st.sampled_from(NAMES), st.text()))
def test_any_environment_is_read_or_refused(environment: dict[str, str]) -> None:
    try:
        settings = Settings.from_environment(environment)
    except InvalidSettings:
        return
    assert settings.bucket
    assert settings.key
    assert settings.refresh_seconds >= 0
