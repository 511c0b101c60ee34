from __future__ import annotations

import pytest

from admission.errors import ModelUnavailable
from admission.store import Bucket
from emulator.s3 import CREDENTIALS, REGION, EmbeddedS3
from tests.integration.faulty_s3 import faulty_s3

KEY = "models/admission.rds"


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name, value in {**CREDENTIALS, "AWS_REGION": REGION}.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


@pytest.fixture
def bucket(s3: EmbeddedS3, credentials: pytest.MonkeyPatch) -> Bucket:
    credentials.setenv("AWS_ENDPOINT_URL", s3.endpoint)
    return Bucket(s3.bucket)


def test_an_object_comes_with_its_version_and_etag(s3: EmbeddedS3, bucket: Bucket) -> None:
    version = s3.put(KEY, b"content")
    file = bucket.fetch(KEY)
    assert file is not None
    assert file.content == b"content"
    assert file.version == version
    assert file.etag == s3.client.head_object(Bucket=s3.bucket, Key=KEY)["ETag"]


def test_an_unchanged_object_is_not_sent_again(s3: EmbeddedS3, bucket: Bucket) -> None:
    s3.put(KEY, b"content")
    first = bucket.fetch(KEY)
    assert first is not None
    assert bucket.fetch(KEY, first.etag) is None
    s3.put(KEY, b"changed")
    changed = bucket.fetch(KEY, first.etag)
    assert changed is not None
    assert changed.content == b"changed"


def test_a_missing_object_is_named(s3: EmbeddedS3, bucket: Bucket) -> None:
    with pytest.raises(ModelUnavailable) as raised:
        bucket.fetch("nothing.rds")
    assert str(raised.value) == f"the bucket has no such object (s3://{s3.bucket}/nothing.rds)"


def test_a_missing_bucket_is_named(s3: EmbeddedS3, bucket: Bucket) -> None:
    with pytest.raises(ModelUnavailable) as raised:
        Bucket("no-such-bucket").fetch(KEY)
    assert str(raised.value) == f"the bucket does not exist (s3://no-such-bucket/{KEY})"


def test_no_network_is_told(credentials: pytest.MonkeyPatch) -> None:
    credentials.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(ModelUnavailable, match="S3 cannot be reached"):
        Bucket("models").fetch(KEY)


@pytest.mark.parametrize(
    ("mode", "reason"),
    [
        ("403 AccessDenied", "its role needs s3:GetObject on arn:aws:s3:::models/models/admission.rds"),
        ("404 NoSuchKey", "the bucket has no such object"),
        ("404 NoSuchBucket", "the bucket does not exist"),
        ("500 InternalError", "S3 could not be read: .*500 Internal Server Error"),
        ("503 SlowDown", "S3 could not be read: .*503 Service Unavailable"),
        ("slow", "S3 did not answer in time"),
        ("stall", "S3 did not answer in time"),
        ("cut", "S3 could not be read"),
        ("moved", "S3 could not be read: .*incorrectly configured region"),
    ],
)
def test_what_is_wrong_with_s3_is_told_with_bucket_and_key(
    mode: str, reason: str, credentials: pytest.MonkeyPatch
) -> None:
    with faulty_s3(b"content" * 1000) as storage:
        credentials.setenv("AWS_ENDPOINT_URL", storage.endpoint)
        bucket = Bucket(storage.bucket)
        storage.mode = mode
        with pytest.raises(ModelUnavailable, match=reason) as raised:
            bucket.fetch(KEY)
        assert str(raised.value).endswith(f"(s3://models/{KEY})")
        assert "\n" not in str(raised.value)
        storage.mode = "ok"
        assert bucket.fetch(KEY) is not None
