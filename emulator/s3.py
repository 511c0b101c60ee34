"""An embedded S3 with one bucket: moto's server, which speaks the real protocol, on a free loopback port."""

from __future__ import annotations

import logging
import uuid
from types import TracebackType
from typing import Self

import boto3
from botocore.config import Config
from moto.server import ThreadedMotoServer

REGION = "us-east-1"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "emulated", "AWS_SECRET_ACCESS_KEY": "emulated"}


class EmbeddedS3:
    """A versioned bucket, private to this process and gone with it.

    Parameters
    ----------
    address
        Where the server listens: the loopback interface, or one that containers reach.

    Attributes
    ----------
    endpoint
        URL of the server.
    bucket
        Name of the bucket.
    client
        A boto3 S3 client that talks to it.
    """

    def __init__(self, address: str = "127.0.0.1") -> None:
        self._address = address

    def __enter__(self) -> Self:
        logging.getLogger("werkzeug").setLevel(logging.CRITICAL)  # moto's web server logs every request
        self._server = ThreadedMotoServer(ip_address=self._address, port=0, verbose=False)
        self._server.start()
        host, port = self._server.get_host_and_port()
        self.endpoint = f"http://{host}:{port}"
        self.bucket = f"models-{uuid.uuid4().hex[:12]}"
        self.client = boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            region_name=REGION,
            aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
            config=Config(proxies={}),  # a proxy of this machine has no way to its loopback
        )
        self.client.create_bucket(Bucket=self.bucket)
        self.client.put_bucket_versioning(Bucket=self.bucket, VersioningConfiguration={"Status": "Enabled"})
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.stop()

    def put(self, key: str, content: bytes) -> str:
        """Store an object.

        Returns
        -------
        str
            Its version.
        """
        return str(self.client.put_object(Bucket=self.bucket, Key=key, Body=content)["VersionId"])
