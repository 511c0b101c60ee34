"""What only the built artefacts can show: SAM's own commands, Lambda's limits, and the layer itself."""

from __future__ import annotations

import contextlib
import json
import platform
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import pytest
from botocore.exceptions import ClientError
from samcli.yamlhelper import yaml_parse

from emulator.layer import main as layer_report
from emulator.layer import needed_libraries, newest_glibc, parts
from emulator.replica import BUILD_IMAGE, RUN_IMAGE
from emulator.s3 import EmbeddedS3
from emulator.sandbox import TEMPLATE
from emulator.stack import read_function
from tests.integration.conftest import StartFunction, rscript
from tests.integration.sam import BUILT, ENVIRONMENT, SamFunction, sam_local, serving
from tests.integration.test_function import ADMIT, ANSWERS, EVENTS, invoke

pytestmark = pytest.mark.rung("replica")

ROOT = TEMPLATE.parent
LAYER = BUILT / "RLayer"
HERE = Path(__file__).parent
LAMBDA_GLIBC = (2, 34)
ARTEFACTS = {
    str(BUILT / "Function"): {"bind": "/var/task", "mode": "ro"},
    str(LAYER): {"bind": "/opt", "mode": "ro"},
}


@pytest.fixture
def function(s3: EmbeddedS3, start: StartFunction, reference_model: bytes) -> Iterator[SamFunction]:
    s3.put("admission.rds", reference_model)
    with start(s3) as (running, _):
        assert isinstance(running, SamFunction)
        yield running


@pytest.mark.parametrize("path", sorted(EVENTS.glob("*.json")), ids=lambda path: str(path.stem))
def test_sam_local_invoke_answers_every_event_of_the_repository(path: Path) -> None:
    finished = subprocess.run(
        sam_local("invoke", "-e", str(path)), cwd=ROOT, env=ENVIRONMENT, capture_output=True, check=False
    )
    assert finished.returncode == 0, finished.stderr.decode()
    answer = json.loads(finished.stdout)
    if path.stem == "explain":
        assert answer["result"] is True
        assert answer["model"]["key"] == "admission.rds"
    elif isinstance(expected := ANSWERS[path.stem], list):
        assert (answer["errorType"], answer["errorMessage"]) == ("InvalidInput", "; ".join(expected))
    else:
        assert answer == expected


def post(url: str, body: bytes) -> tuple[int, str, Any]:
    try:
        with urllib.request.urlopen(url, body) as answer:
            return answer.status, answer.headers.get_content_type(), json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers.get_content_type(), json.load(error)


def test_sam_local_start_api_answers_over_http() -> None:
    with serving(sam_local("start-api"), lambda _: None) as url:
        assert post(f"{url}/admit", ADMIT) == (200, "application/json", {"result": True})
        batch = (EVENTS / "batch.json").read_bytes()
        assert post(f"{url}/admit", batch) == (200, "application/json", ANSWERS["batch"])
        for body in ((EVENTS / "bad-missing.json").read_bytes(), b"{", b""):
            status, content_type, problem = post(f"{url}/admit", body)
            assert (status, content_type) == (400, "application/problem+json")
            assert problem["error"] == "InvalidInput"
            assert problem["problems"]
        assert post(f"{url}/admit", ADMIT)[2] == {"result": True}


@pytest.mark.parametrize("event", [b"{", b"nonsense", b'{"gre": }'])
def test_what_is_no_json_is_refused_by_the_invoke_api(event: bytes, function: SamFunction) -> None:
    with pytest.raises(ClientError, match="InvalidRequestContent"):
        function.invoke(event)
    assert invoke(function, ADMIT) == {"result": True}


def test_a_thousand_invocations_stay_within_the_memory_the_kernel_gives(function: SamFunction) -> None:
    assert function.memory_limit_mb() == 128
    batch = json.dumps({"applicants": [json.loads(ADMIT)] * 2000}).encode()
    answered = json.dumps({"results": [{"result": True}] * 2000})
    for number in range(1000):
        payload = function.invoke(batch if number % 100 == 0 else ADMIT).payload
        assert payload == (answered if number % 100 == 0 else '{"result": true}')
        if number == 200:
            settled = function.resident_mb()
    assert function.resident_mb() < settled + 2
    assert function.resident_mb() < 80


def test_more_than_the_memory_ends_the_sandbox_and_the_next_one_answers(
    s3: EmbeddedS3, start: StartFunction, models: Path
) -> None:
    s3.put("admission.rds", (models / "greedy.rds").read_bytes())
    with start(s3) as (function, _):
        assert isinstance(function, SamFunction)
        assert invoke(function, {"years": 1})["result"] in (True, False)
        first = function.runtime()["PID"]
        assert "signal: killed" in invoke(function, {"years": 60})["errorMessage"]
        assert invoke(function, {"years": 1})["result"] in (True, False)
        assert function.runtime()["PID"] != first


def test_the_runtime_may_not_do_more_than_on_lambda(function: SamFunction) -> None:
    invoke(function, ADMIT)
    container = function.container()
    runtime = function.runtime()
    assert (runtime["UID"], runtime["GID"]) == ("993", "990")
    for folder in ("/var/task", "/opt", "/var/runtime", "/etc"):
        status, said = container.exec_run(["touch", f"{folder}/written"], user="993:990")
        assert status != 0
        assert b"Read-only file system" in said or b"Permission denied" in said
    assert container.exec_run(["touch", "/tmp/written"], user="993:990").exit_code == 0
    # Not by root either, as Lambda mounts the function's code.
    assert b"Read-only file system" in container.exec_run(["touch", "/var/task/written"], user="root").output


def test_a_function_that_takes_longer_than_the_timeout_is_killed(
    s3: EmbeddedS3, start: StartFunction, models: Path
) -> None:
    s3.put("admission.rds", (models / "sleepy.rds").read_bytes())
    with start(s3) as (function, _):
        assert isinstance(function, SamFunction)
        assert invoke(function, {"years": 0})["result"] in (True, False)
        started = time.monotonic()
        answer = function.invoke(b'{"years": 60}')
        assert 5 < time.monotonic() - started < 15
        assert "timed out after 6" in answer.payload
        assert invoke(function, {"years": 0})["result"] in (True, False)


def test_the_image_answers_without_sam() -> None:
    """`docker run` with the image as AWS documents it for its own, without swap and with nothing to write to."""
    declared = read_function(TEMPLATE, {"ModelBucket": "file:///var/task/sample"})
    with contextlib.closing(docker.from_env()) as engine:
        container = engine.containers.run(
            RUN_IMAGE,
            [declared.handler],
            environment=dict(declared.environment),
            volumes=ARTEFACTS,
            mem_limit="128m",
            memswap_limit="128m",
            read_only=True,
            tmpfs={"/tmp": ""},
            ports={"8080/tcp": ("127.0.0.1", 0)},
            detach=True,
        )
        try:
            container.reload()
            (binding,) = container.ports["8080/tcp"]
            url = f"http://127.0.0.1:{binding['HostPort']}/2015-03-31/functions/function/invocations"
            deadline = time.monotonic() + 10
            while True:
                try:
                    with urllib.request.urlopen(url, ADMIT) as answer:
                        assert json.load(answer) == {"result": True}
                    break
                except OSError:
                    assert time.monotonic() < deadline, container.logs().decode()
                    time.sleep(0.1)
        finally:
            container.remove(force=True)


def in_the_layer(script: str, folder: Path, environment: dict[str, str]) -> None:
    """Run an R script in the layer's R, which has the folder as /exchange."""
    declared = read_function(TEMPLATE, {"ModelBucket": "unused"}).environment
    folder.chmod(0o777)
    with contextlib.closing(docker.from_env()) as engine:
        engine.containers.run(
            RUN_IMAGE,
            ["in_layer.py", script],
            entrypoint=["/var/lang/bin/python3.13"],
            user="993:990",
            working_dir="/tests",
            environment={**declared, "PYTHONPATH": "/var/task:/opt/python:/var/runtime", **environment},
            volumes={
                **ARTEFACTS,
                str(HERE): {"bind": "/tests", "mode": "ro"},
                str(folder): {"bind": "/exchange", "mode": "rw"},
            },
            mem_limit="128m",
            memswap_limit="128m",
            network_disabled=True,
            remove=True,
        )


def test_every_kind_of_model_predicts_in_the_layer_as_in_a_full_r(tmp_path: Path) -> None:
    rscript(HERE / "fits.R", tmp_path / "fits.rds")
    rscript(HERE / "predictions.R", environment={"FITS": f"{tmp_path}/fits.rds", "PREDICTIONS": f"{tmp_path}/full"})
    in_the_layer("predictions.R", tmp_path, {"FITS": "/exchange/fits.rds", "PREDICTIONS": "/exchange/layer"})
    full = (tmp_path / "full").read_text(encoding="utf-8").splitlines()
    assert len(full) > 50
    assert all("0x" in line for line in full)
    assert (tmp_path / "layer").read_text(encoding="utf-8").splitlines() == full


def test_what_stands_in_for_fortrans_library_does_what_fortran_does() -> None:
    compile_and_try = "gcc -shared -fPIC -o /tmp/f.so /layer/fortran.c && python3.13 /tests/concatenation.py /tmp/f.so"
    with contextlib.closing(docker.from_env()) as engine:
        tried = engine.containers.run(
            BUILD_IMAGE,
            ["sh", "-c", compile_and_try],
            volumes={
                str(ROOT / "layers" / "r"): {"bind": "/layer", "mode": "ro"},
                str(HERE): {"bind": "/tests", "mode": "ro"},
            },
            network_disabled=True,
            remove=True,
        )
    assert tried == b"324\n"


def test_every_library_the_layer_needs_is_in_it_or_on_lambda() -> None:
    needed = list(needed_libraries(LAYER))
    assert {"libR.so", "libRlapack.so", "libpcre2-8.so.0", "libc.so.6"} <= {library for _, library, _ in needed}
    assert [(path, library) for path, library, source in needed if source is None] == []
    assert (2, 14) < newest_glibc(LAYER) <= LAMBDA_GLIBC


def test_the_layer_has_the_runtime_of_rpy2_for_every_python_it_declares() -> None:
    declared = yaml_parse(TEMPLATE.read_text(encoding="utf-8"))["Resources"]["RLayer"]["Properties"]
    versions = {path.name.split(".")[1] for path in (LAYER / "python").glob("_cffi_backend.*.so")}
    assert versions == {
        f"cpython-{name.removeprefix('python').replace('.', '')}-{platform.machine()}-linux-gnu"
        for name in declared["CompatibleRuntimes"]
    }


def test_no_namespace_has_to_be_parsed_when_it_is_loaded() -> None:
    packages = [path for path in (LAYER / "R" / "library").iterdir() if path.name != "base"]
    assert {"stats", "utils", "splines"} <= {path.name for path in packages}
    assert [path.name for path in packages if not (path / "Meta" / "nsInfo.rds").exists()] == []


def test_the_layer_is_small(capsys: pytest.CaptureFixture[str]) -> None:
    listed = parts(LAYER)
    assert sum(part.zipped for part in listed) < 10e6
    assert sum(part.size for part in listed) < 20e6
    assert layer_report(LAYER) == 0
    assert "R package stats" in capsys.readouterr().out


def test_no_library_or_script_of_the_layer_names_the_folder_it_was_built_in() -> None:
    named = [path for path in LAYER.rglob("*") if path.is_file() and b"/r-on-lambda/build." in path.read_bytes()]
    assert named == []
