"""The model file: fetched from S3, verified, kept while the function is warm, refreshed by ETag."""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import obstore
from obstore.exceptions import BaseError, NotModifiedError, PermissionDeniedError, UnauthenticatedError
from obstore.store import LocalStore, S3Store

from admission.engine import Model
from admission.errors import InvalidSettings, ModelError, ModelUnavailable, ModelUnusable
from admission.inputs import RESERVED
from admission.settings import Settings

logger = logging.getLogger(__name__)

# Together well below the function's timeout of 6 s, so that a caller is told what is wrong with S3.
_REQUEST_TIMEOUT = timedelta(seconds=2)
_CONNECT_TIMEOUT = timedelta(seconds=1)
_RETRY_TIMEOUT = timedelta(seconds=1)
_MAX_RETRIES = 2
_FOLDER = "file://"


@dataclass(frozen=True)
class ModelFile:
    """One version of the model file.

    Attributes
    ----------
    content
        The bytes of the file.
    etag
        As S3 gave it, in quotes, for the next conditional GET.
    version
        The object's version, or None in a bucket without versioning.
    """

    content: bytes
    etag: str | None
    version: str | None


@dataclass(frozen=True)
class Served:
    """A model together with where it came from."""

    model: Model
    key: str
    version: str | None
    etag: str | None

    @property
    def identity(self) -> dict[str, object]:
        return {"key": self.key, "version": self.version, "etag": self.etag and self.etag.strip('"')}


class Bucket:
    """The bucket that holds the model.

    Credentials, region and endpoint come from the environment, as on Lambda: ``AWS_ACCESS_KEY_ID`` and its kin,
    ``AWS_REGION``, ``AWS_ENDPOINT_URL``. A name such as ``file:///folder`` stands for that folder, without S3.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._store: LocalStore | S3Store
        if name.startswith(_FOLDER):
            folder = Path(name.removeprefix(_FOLDER))
            if not folder.is_dir():
                raise InvalidSettings(f"MODEL_BUCKET must name a folder that exists, {name} does not")
            self._store = LocalStore(folder)
        else:
            self._store = S3Store(
                name,
                client_options={
                    # Only an endpoint that says http:// is spoken to in the clear; S3's own is https://.
                    "allow_http": True,
                    "timeout": _REQUEST_TIMEOUT,
                    "connect_timeout": _CONNECT_TIMEOUT,
                },
                retry_config={"max_retries": _MAX_RETRIES, "retry_timeout": _RETRY_TIMEOUT},
            )

    def fetch(self, key: str, known_etag: str | None = None) -> ModelFile | None:
        """Get an object, or None if it still has the known ETag.

        Raises
        ------
        ModelUnavailable
            With the reason, the bucket and the key.
        """
        try:
            found = obstore.get(self._store, key, options={"if_none_match": known_etag} if known_etag else {})
            return ModelFile(bytes(found.bytes()), found.meta.get("e_tag"), found.meta.get("version"))
        except NotModifiedError:
            return None
        except (BaseError, OSError, ValueError) as error:  # ValueError: a key or bucket name it cannot use
            raise ModelUnavailable(f"{_reason(error, self.name, key)} ({_url(self.name, key)})") from error


class ModelStore:
    """The model being served.

    Parameters
    ----------
    settings
        Which file, how it is verified, and how often S3 is asked for a newer one.
    fetch
        `Bucket.fetch`: from key and known ETag to the file, or None if it has not changed.
    load
        `Engine.load`: from the file's bytes to a model that can predict.
    now
        The clock, in seconds. Wall time, because a monotonic clock stands still while the sandbox is frozen.
    """

    def __init__(
        self,
        settings: Settings,
        fetch: Callable[[str, str | None], ModelFile | None],
        load: Callable[[bytes], Model],
        now: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._fetch = fetch
        self._load = load
        self._now = now
        self._served: Served | None = None
        self._checked = 0.0

    def current(self) -> Served:
        """The model to answer with: loaded if there is none, replaced if S3 has a newer one and a look is due.

        While a model is served, nothing that goes wrong with a newer one reaches the caller; it is logged.

        Raises
        ------
        ModelUnavailable, ModelUnusable
            If there is no model at all. The next call tries again.
        """
        if self._served is None:
            self._served = self._newest(None)
            self._checked = self._now()
        elif self._is_due():
            try:
                self._served = self._newest(self._served)
            except ModelError as error:
                logger.warning(
                    "model not refreshed, the one at hand still serves",
                    extra=self._location() | {"error": type(error).__name__, "reason": str(error)},
                )
            # Also after a failure: callers must not wait for a broken S3 on every invocation.
            self._checked = self._now()
        return self._served

    def _is_due(self) -> bool:
        age = self._now() - self._checked
        # A clock that was set back makes it due too.
        return self._settings.refresh_seconds > 0 and not 0 <= age < self._settings.refresh_seconds

    def _newest(self, served: Served | None) -> Served:
        file = self._fetch(self._settings.key, served.etag if served else None)
        if file is None:
            if served is None:
                raise ModelUnavailable(f"S3 says that the model has not changed, though none was known ({self._url})")
            return served
        try:
            model = self._load_verified(file.content)
        except ModelUnusable as error:
            version = f", version {file.version}" if file.version else ""
            raise ModelUnusable(f"{error} ({self._url}{version})") from error
        newest = Served(model, self._settings.key, file.version, file.etag)
        logger.info("model loaded", extra=self._location() | newest.identity | {"bytes": len(file.content)})
        return newest

    def _load_verified(self, content: bytes) -> Model:
        expected = self._settings.sha256
        if expected and (actual := hashlib.sha256(content).hexdigest()) != expected:
            raise ModelUnusable(f"the file's SHA-256 is {actual}, MODEL_SHA256 asks for {expected}")
        model = self._load(content)
        if reserved := RESERVED.intersection(field.name for field in model.inputs):
            raise ModelUnusable(f"its input {min(reserved)} has the name of a field of the event")
        return model

    @property
    def _url(self) -> str:
        return _url(self._settings.bucket, self._settings.key)

    def _location(self) -> dict[str, object]:
        return {"bucket": self._settings.bucket, "key": self._settings.key}


def _url(bucket: str, key: str) -> str:
    return f"{bucket}/{key}" if bucket.startswith(_FOLDER) else f"s3://{bucket}/{key}"


def _reason(error: Exception, bucket: str, key: str) -> str:
    """What S3 or the network said, in one sentence. obstore gives most of it only as text."""
    text = str(error)
    if isinstance(error, FileNotFoundError):
        return "the bucket does not exist" if "NoSuchBucket" in text else "the bucket has no such object"
    if isinstance(error, (PermissionDeniedError, UnauthenticatedError, PermissionError)):
        return (
            "S3 refuses to let the function read the object: its role needs s3:GetObject on "
            f"arn:aws:s3:::{bucket}/{key}, and the object must exist, as a missing one looks the same to this role"
        )
    if "kind: Timeout" in text:
        return "S3 did not answer in time"
    if "kind: Connect" in text:
        return "S3 cannot be reached"
    where = "the folder" if bucket.startswith(_FOLDER) else "S3"
    return f"{where} could not be read: {text.partition(chr(10))[0]}"
