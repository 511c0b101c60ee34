from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from admission.engine import Model
from admission.errors import InvalidSettings, ModelError, ModelUnavailable, ModelUnusable
from admission.inputs import Input
from admission.settings import Settings
from admission.store import Bucket, ModelFile, ModelStore

SETTINGS = Settings("models", "admission.rds", refresh_seconds=300)


class FakeS3:
    """A bucket with one object, counting how often it is asked."""

    def __init__(self, content: bytes = b"first") -> None:
        self.put(content)
        self.failure: ModelError | None = None
        self.requests: list[str | None] = []

    def put(self, content: bytes) -> None:
        self.content, self.etag = content, f'"{hashlib.sha256(content).hexdigest()[:8]}"'

    def fetch(self, key: str, known_etag: str | None) -> ModelFile | None:
        assert key == SETTINGS.key
        self.requests.append(known_etag)
        if self.failure:
            raise self.failure
        return None if known_etag == self.etag else ModelFile(self.content, self.etag, self.etag.strip('"'))


class Clock:
    def __init__(self) -> None:
        self.time = 1_000_000.0

    def __call__(self) -> float:
        return self.time


def load(content: bytes) -> Model:
    if content.startswith(b"bad"):
        raise ModelUnusable("the file holds no model")
    name = content.decode().partition("=")[2] or "gre"
    return Model((Input(name, "number"),), content.decode(), lambda rows, _columns: [0.0] * rows)


@pytest.fixture
def s3() -> FakeS3:
    return FakeS3()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def make(s3: FakeS3, clock: Clock) -> Callable[..., ModelStore]:
    return lambda settings=SETTINGS: ModelStore(settings, s3.fetch, load, clock)


def test_the_model_is_fetched_once_and_then_kept(s3: FakeS3, make: Callable[..., ModelStore], clock: Clock) -> None:
    store = make()
    first = store.current()
    clock.time += 299
    assert store.current() is first
    assert s3.requests == [None]
    assert first.identity == {"key": "admission.rds", "version": s3.etag.strip('"'), "etag": s3.etag.strip('"')}


def test_after_the_refresh_time_s3_is_asked_for_a_change(
    s3: FakeS3, make: Callable[..., ModelStore], clock: Clock
) -> None:
    store = make()
    first = store.current()
    clock.time += 300
    assert store.current() is first
    clock.time += 299
    store.current()
    assert s3.requests == [None, s3.etag]


def test_a_changed_model_takes_over(s3: FakeS3, make: Callable[..., ModelStore], clock: Clock) -> None:
    store = make()
    store.current()
    s3.put(b"second")
    clock.time += 300
    assert store.current().model.response == "second"
    assert store.current().identity["etag"] == s3.etag.strip('"')


def test_a_clock_that_was_set_back_is_a_reason_to_look(
    s3: FakeS3, make: Callable[..., ModelStore], clock: Clock
) -> None:
    store = make()
    store.current()
    clock.time -= 10_000
    store.current()
    assert len(s3.requests) == 2


def test_zero_seconds_is_never(s3: FakeS3, make: Callable[..., ModelStore], clock: Clock) -> None:
    store = make(Settings("models", refresh_seconds=0))
    store.current()
    s3.put(b"second")
    clock.time += 1e9
    assert store.current().model.response == "first"


@pytest.mark.parametrize("bad", ["unavailable", "unusable"])
def test_the_old_model_serves_if_the_new_one_cannot(
    bad: str, s3: FakeS3, make: Callable[..., ModelStore], clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    store = make()
    store.current()
    if bad == "unavailable":
        s3.failure = ModelUnavailable("S3 cannot be reached")
    else:
        s3.put(b"bad")
    clock.time += 300
    with caplog.at_level(logging.WARNING, "admission"):
        assert store.current().model.response == "first"
    (record,) = caplog.records
    assert record.__dict__["bucket"] == "models"
    assert record.__dict__["key"] == "admission.rds"
    assert record.__dict__["error"] == ("ModelUnavailable" if bad == "unavailable" else "ModelUnusable")
    assert record.__dict__["reason"]

    # Callers do not pay for it on every invocation, and a repaired model takes over.
    asked = len(s3.requests)
    clock.time += 299
    assert store.current().model.response == "first"
    assert len(s3.requests) == asked
    s3.failure = None
    s3.put(b"third")
    clock.time += 1
    assert store.current().model.response == "third"


def test_without_any_model_every_call_tries_again(s3: FakeS3, make: Callable[..., ModelStore]) -> None:
    s3.failure = ModelUnavailable("S3 cannot be reached")
    store = make()
    for _ in range(2):
        with pytest.raises(ModelUnavailable, match="S3 cannot be reached"):
            store.current()
    s3.failure = None
    assert store.current().model.response == "first"
    assert len(s3.requests) == 3


def test_an_answer_not_modified_to_an_unconditional_request_is_an_error() -> None:
    store = ModelStore(SETTINGS, lambda _key, _etag: None, load)
    with pytest.raises(ModelUnavailable):
        store.current()


def test_an_unusable_model_is_named_with_bucket_key_and_version(s3: FakeS3, make: Callable[..., ModelStore]) -> None:
    s3.put(b"bad")
    version = s3.etag.strip('"')
    with pytest.raises(ModelUnusable) as raised:
        make().current()
    assert str(raised.value) == f"the file holds no model (s3://models/admission.rds, version {version})"


def test_a_pinned_model_must_be_the_pinned_one(s3: FakeS3, make: Callable[..., ModelStore], clock: Clock) -> None:
    store = make(Settings("models", sha256=hashlib.sha256(b"first").hexdigest()))
    assert store.current().model.response == "first"
    s3.put(b"second")
    clock.time += 300
    assert store.current().model.response == "first"
    with pytest.raises(ModelUnusable, match="MODEL_SHA256 asks for"):
        make(Settings("models", sha256="0" * 64)).current()


def test_a_model_whose_input_hides_a_field_of_the_event_is_refused(s3: FakeS3, make: Callable[..., ModelStore]) -> None:
    s3.put(b"model=explain")
    with pytest.raises(ModelUnusable, match="its input explain has the name of a field of the event"):
        make().current()


def test_a_folder_stands_for_a_bucket(tmp_path: Path) -> None:
    (tmp_path / "admission.rds").write_bytes(b"first")
    bucket = Bucket(f"file://{tmp_path}")
    first = bucket.fetch("admission.rds")
    assert first is not None
    assert (first.content, first.version) == (b"first", None)
    assert bucket.fetch("admission.rds", first.etag) is None
    (tmp_path / "admission.rds").write_bytes(b"second one")
    second = bucket.fetch("admission.rds", first.etag)
    assert second is not None
    assert second.content == b"second one"
    with pytest.raises(ModelUnavailable) as raised:
        bucket.fetch("nothing.rds")
    assert str(raised.value) == f"the bucket has no such object (file://{tmp_path}/nothing.rds)"


def test_a_folder_that_does_not_exist_is_a_wrong_setting(tmp_path: Path) -> None:
    with pytest.raises(InvalidSettings, match="MODEL_BUCKET must name a folder that exists"):
        Bucket(f"file://{tmp_path}/nothing")
    (tmp_path / "file").touch()
    with pytest.raises(InvalidSettings, match="MODEL_BUCKET must name a folder that exists"):
        Bucket(f"file://{tmp_path}/file")
