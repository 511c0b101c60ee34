"""The whole native rung: this machine's R, an embedded S3 with the model in it, the function under the emulator."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Protocol

from emulator.rie import LambdaFunction
from emulator.rlang import r_environment
from emulator.s3 import CREDENTIALS, REGION
from emulator.stack import read_function

TEMPLATE = Path(__file__).resolve().parent.parent / "template.yaml"


class Storage(Protocol):
    """Where the model is: the endpoint of something that speaks S3, and a bucket there."""

    endpoint: str
    bucket: str


@contextlib.contextmanager
def function_on(
    storage: Storage,
    log: Callable[[str], None],
    overrides: Mapping[str, str] | None = None,
    port: int = 0,
) -> Iterator[LambdaFunction]:
    """Run the function of template.yaml on this machine until the context ends.

    Parameters
    ----------
    storage
        Where it finds its model.
    log
        Called with each line of its log.
    overrides
        Environment variables that differ from the template's.
    port
        Port of the Invoke API; 0 is any free one.
    """
    configuration = read_function(TEMPLATE, references={"ModelBucket": storage.bucket})
    environment = {
        **CREDENTIALS,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ENDPOINT_URL": storage.endpoint,
        **r_environment(),
        **(overrides or {}),
    }
    with LambdaFunction(configuration, environment, log, port) as function:
        yield function
