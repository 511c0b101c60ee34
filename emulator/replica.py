"""The Docker replica: images that stand in for Lambda's and SAM's where none can be pulled, and an engine to run them.

`python -m emulator.replica up` makes what is missing, `down` stops the engine if `up` started it. The images are
described in ``images/Dockerfile``; samconfig.toml's section ``replica`` names them.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import io
import ipaddress
import os
import platform
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import docker
from docker.errors import DockerException

from emulator.bootstrap import install, only
from emulator.rie import NotEmulatedError, emulator_path

BUILD_IMAGE = "r-on-lambda/build:python3.13"
RUN_IMAGE = "r-on-lambda/lambda:python3.13"
_STAGES = {"lambda": RUN_IMAGE, "build": BUILD_IMAGE}

# Debian 11, because of its old C library. Once the mirrors have dropped it, they still have it in their archive.
_SUITE = "bullseye"
# Every image has the hash of what it was made from.
_LABEL = "r-on-lambda.recipe"
_PYTHON_VERSION = "3.13.5"
_PYTHON_SHA256 = "93e583f243454e6e9e4588ca2c2662206ad961659863277afcdb96801647d640"

# Of requirements.txt: what SAM calls in its build container, and what Lambda's runtime for Python brings.
_BUILDERS = ("aws-lambda-builders", "setuptools", "wheel")
_RUNTIME = (
    *("awslambdaric", "simplejson", "snapshot-restore-py"),
    *("boto3", "botocore", "jmespath", "python-dateutil", "s3transfer", "six", "urllib3"),
)

_ROOT = Path(__file__).resolve().parent.parent
_IMAGES = _ROOT / "emulator" / "images"
_LAYER = _ROOT / "layers" / "r"
_STATE = Path("/run/r-on-lambda")
_PID_FILE = _STATE / "dockerd.pid"
_LOG_FILE = _STATE / "dockerd.log"
_ENGINE_SECONDS = 30


class ReplicaError(Exception):
    """The replica cannot be made here; the message says why, and what to do."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command, `up` or `down`, and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m emulator.replica", description=__doc__)
    commands = parser.add_subparsers(required=True)
    for command in up, down:
        commands.add_parser(command.__name__, help=command.__doc__).set_defaults(command=command)
    try:
        parser.parse_args(arguments).command()
    except (OSError, ReplicaError, NotEmulatedError, DockerException, subprocess.CalledProcessError) as error:
        _say(f"error: {error}")
        return 1
    return 0


def up() -> None:
    """Make an engine answer and both images exist; what is there already is not made again."""
    if shutil.which("apt-get") is None:
        raise ReplicaError(
            "the replica is made from Debian's packages, with apt; where images can be pulled none is needed: "
            "use `sam build` and `sam local invoke` as they are"
        )
    if not hasattr(tarfile, "data_filter"):
        raise ReplicaError(
            f"sam build in a container needs Python 3.11.4 or later, this is {platform.python_version()}; "
            "name another one: make PYTHON=python3.13 …"
        )
    with contextlib.closing(_engine()) as engine:
        context = _context()
        recipe = hashlib.sha256(f"{_SUITE} {_PYTHON_SHA256}".encode() + context).hexdigest()
        for target, name in _STAGES.items():
            if not engine.images.list(name, filters={"label": f"{_LABEL}={recipe}"}):
                _build(engine, context, target, recipe)
        # What the names stood for before.
        engine.images.prune(filters={"dangling": True, "label": _LABEL})
    _say(f"{BUILD_IMAGE} and {RUN_IMAGE} are there; use them with --config-env replica")


def down() -> None:
    """Stop the engine, and with it its containers, if `up` started it."""
    try:
        pid = int(_PID_FILE.read_text(encoding="ascii"))
        is_engine = Path(f"/proc/{pid}/comm").read_text(encoding="ascii").strip() == "dockerd"
    except FileNotFoundError:
        is_engine = False
    if not is_engine:  # none was started, or it ended without removing the file
        _say("no Docker engine that make replica started is running")
        return
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + _ENGINE_SECONDS
    while _PID_FILE.exists():  # the engine removes it when it ends
        if time.monotonic() > deadline:
            raise ReplicaError(f"the Docker engine, process {pid}, does not end; see {_LOG_FILE}")
        time.sleep(0.1)
    _say("the Docker engine has ended")


def bridge_address() -> str:
    """Address of this machine that a container reaches, and nothing outside does."""
    with contextlib.closing(docker.from_env()) as engine:
        configurations = engine.networks.get("bridge").attrs["IPAM"]["Config"]
    for configuration in configurations:
        subnet = ipaddress.ip_network(configuration["Subnet"])
        if isinstance(subnet, ipaddress.IPv4Network):
            # An engine that chose the address itself does not name it: it takes the first.
            return str(configuration.get("Gateway") or subnet[1])
    raise ReplicaError("the Docker engine's network named bridge has no IPv4 address")


def _engine() -> docker.DockerClient:
    try:
        return docker.from_env()  # which asks the engine for its version
    except DockerException as error:
        if "PermissionError" in str(error):
            raise ReplicaError("this user may not use the Docker engine: join the group docker, or be root") from error
        if os.geteuid() != 0:
            raise ReplicaError(f"no Docker engine answers, and only root may start one: {error}") from error
    if shutil.which("dockerd") is None:
        _say("installing the Docker engine")
        install("the Docker engine", {"apt-get": ["docker.io", "iptables"]})
        with contextlib.suppress(DockerException):  # the machine's own service manager may have started it
            return docker.from_env()
    _say("starting a Docker engine; make replica-down ends it")
    _STATE.mkdir(exist_ok=True)
    with _LOG_FILE.open("wb") as log:
        process = subprocess.Popen(
            ["dockerd", "--pidfile", str(_PID_FILE)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    deadline = time.monotonic() + _ENGINE_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(DockerException):
            return docker.from_env()
        time.sleep(0.2)
    process.terminate()
    last_words = _LOG_FILE.read_text(encoding="utf-8", errors="replace")[-2000:]
    raise ReplicaError(f"the Docker engine did not start:\n{last_words}")


def _root_file_system(engine: docker.DockerClient) -> str:
    """Import a Debian made from its packages, unless this very one is there."""
    command = ["mmdebstrap", "--variant=minbase", "--include=ca-certificates", "--format=tar", _SUITE, "-"]
    command += _debian_mirror()
    name = f"r-on-lambda/{_SUITE}"
    tag = hashlib.sha256("\0".join(command).encode()).hexdigest()[:12]
    if engine.images.list(f"{name}:{tag}"):
        return f"{name}:{tag}"
    _say(f"making a root file system from Debian's packages ({_SUITE})")
    if shutil.which("mmdebstrap") is None:
        install("mmdebstrap", {"apt-get": ["mmdebstrap", "debian-archive-keyring"]})
    # Where users may not make namespaces, only root may make a file system.
    as_root = ["sudo"] if os.geteuid() != 0 and shutil.which("sudo") else []
    made = subprocess.run([*as_root, *command], stdin=subprocess.DEVNULL, capture_output=True, check=False)
    if made.returncode != 0:
        raise ReplicaError(f"mmdebstrap could not make it:\n{made.stderr.decode(errors='replace')[-2000:]}")
    engine.api.import_image_from_data(made.stdout, repository=name, tag=tag)
    return f"{name}:{tag}"


def _debian_mirror() -> list[str]:
    """The mirror this machine uses; where it is no Debian, or has its own kind of address, mmdebstrap's own."""
    command = ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Identifier: Packages", "Label: Debian"]
    listed = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    return [address for address in listed.split() if address.startswith("http")][:1]


def _build(engine: docker.DockerClient, context: bytes, target: str, recipe: str) -> None:
    name = _STAGES[target]
    arguments = {
        "ROOT_FILE_SYSTEM": _root_file_system(engine),
        "PYTHON_VERSION": _PYTHON_VERSION,
        "PYTHON_SHA256": _PYTHON_SHA256,
    }
    steps = engine.api.build(
        fileobj=io.BytesIO(context),
        custom_context=True,
        buildargs=arguments,
        target=target,
        tag=name,
        labels={_LABEL: recipe},
        rm=True,
        forcerm=True,
        decode=True,
    )
    said = ""
    announced = False
    for step in steps:
        said += step.get("stream", "")
        # The first step that is not found in the engine's cache starts a container.
        if not announced and "Running in" in step.get("stream", ""):
            announced = True
            _say(f"building {name}, which takes minutes the first time")
        if "error" in step:
            raise ReplicaError(f"{name} could not be built:\n{said[-4000:]}{step['error']}")


def _context() -> bytes:
    """Everything the Dockerfile copies, in an archive that is the same wherever and whenever it is made."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, content, executable in sorted(_files()):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            member.mode = 0o755 if executable else 0o644
            archive.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def _files() -> Iterator[tuple[str, bytes, bool]]:
    yield "Dockerfile", (_IMAGES / "Dockerfile").read_bytes(), False
    yield "fetch.sh", (_LAYER / "fetch.sh").read_bytes(), False
    for path in sorted(_LAYER.iterdir()):
        if path.is_file() and path.suffix != ".md":  # a README changes nothing in the layer
            yield f"layer/{path.name}", path.read_bytes(), False
    for path in sorted((_IMAGES / "lambda").rglob("*")):
        if path.is_file():
            yield str(path.relative_to(_IMAGES)), path.read_bytes(), True
    yield "lambda/usr/local/bin/aws-lambda-rie", emulator_path().read_bytes(), True
    pinned = (_ROOT / "requirements.txt").read_text(encoding="utf-8")
    yield "builders.txt", only(_BUILDERS, pinned).encode(), False
    yield "runtime.txt", only(_RUNTIME, pinned).encode(), False
    yield from _machine_files()


def _machine_files() -> Iterable[tuple[str, bytes, bool]]:
    """How this machine reaches its package registries, for the builds in the containers."""
    authorities = Path("etc/ssl/certs/ca-certificates.crt")
    index = subprocess.run(
        [sys.executable, "-m", "pip", "config", "get", "global.index-url"], capture_output=True, text=True, check=False
    ).stdout.strip()
    settings = ["[global]", f"cert = /{authorities}", *([f"index-url = {index}"] if index else [])]
    yield "machine/etc/pip.conf", "\n".join([*settings, ""]).encode(), False
    if (Path("/") / authorities).exists():
        yield f"machine/{authorities}", (Path("/") / authorities).read_bytes(), False


def _say(text: str) -> None:
    print(f"replica: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
