"""What template.yaml promises, read as CloudFormation would."""

from __future__ import annotations

import json
import tomllib
from typing import Any

import pytest
from samcli.yamlhelper import yaml_parse

from admission import events
from emulator.replica import BUILD_IMAGE, RUN_IMAGE
from emulator.sandbox import TEMPLATE
from emulator.stack import read_function

RESOURCES: dict[str, Any] = yaml_parse(TEMPLATE.read_text(encoding="utf-8"))["Resources"]
FUNCTION = RESOURCES["Function"]["Properties"]
ROLE = RESOURCES["ExecutionRole"]["Properties"]


def test_the_function_has_the_limits_of_the_original() -> None:
    assert (FUNCTION["MemorySize"], FUNCTION["Timeout"], FUNCTION["Runtime"]) == (128, 6, "python3.13")


def test_only_lambda_may_assume_the_role() -> None:
    (statement,) = ROLE["AssumeRolePolicyDocument"]["Statement"]
    assert statement == {
        "Effect": "Allow",
        "Principal": {"Service": "lambda.amazonaws.com"},
        "Action": "sts:AssumeRole",
    }


def test_the_role_may_read_the_models_and_write_its_log_and_nothing_else() -> None:
    assert "ManagedPolicyArns" not in ROLE
    assert [policy["PolicyDocument"]["Statement"] for policy in ROLE["Policies"]] == [
        [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": {"Fn::Sub": "${ModelBucket.Arn}/*"}}],
        [
            {
                "Effect": "Allow",
                "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
                "Resource": {"Fn::GetAtt": ["LogGroup", "Arn"]},
            }
        ],
    ]
    assert FUNCTION["Role"] == {"Fn::GetAtt": ["ExecutionRole", "Arn"]}
    assert FUNCTION["LoggingConfig"]["LogGroup"] == {"Ref": "LogGroup"}


def test_the_bucket_is_private_versioned_and_kept() -> None:
    bucket = RESOURCES["ModelBucket"]
    assert set(bucket["Properties"]["PublicAccessBlockConfiguration"].values()) == {True}
    assert bucket["Properties"]["VersioningConfiguration"] == {"Status": "Enabled"}
    assert bucket["DeletionPolicy"] == bucket["UpdateReplacePolicy"] == "Retain"


def test_the_schedule_sends_the_warmers_event_every_five_minutes() -> None:
    warmer = FUNCTION["Events"]["Warmer"]["Properties"]
    assert warmer["ScheduleExpression"] == "rate(5 minutes)"
    sent = json.loads(warmer["Input"])
    assert isinstance(events.read(sent), events.Warmer)
    assert sent == json.loads((TEMPLATE.parent / "events" / "warmer.json").read_text(encoding="utf-8"))


def test_the_http_api_wants_signed_requests() -> None:
    assert RESOURCES["HttpApi"]["Properties"]["Auth"] == {"EnableIamAuthorizer": True, "DefaultAuthorizer": "AWS_IAM"}
    route = FUNCTION["Events"]["Admit"]
    assert route["Type"] == "HttpApi"
    assert route["Properties"] == {"ApiId": {"Ref": "HttpApi"}, "Method": "POST", "Path": "/admit"}


def test_function_and_layer_are_for_one_architecture() -> None:
    layer = RESOURCES["RLayer"]
    chosen = {"Ref": "Architecture"}
    assert FUNCTION["Architectures"] == layer["Properties"]["CompatibleArchitectures"] == [chosen]
    assert layer["Metadata"]["BuildArchitecture"] == chosen
    # The first one's image is what `sam build` builds the layer in.
    assert layer["Properties"]["CompatibleRuntimes"][0] == FUNCTION["Runtime"]


@pytest.mark.parametrize("command", ["local_invoke", "local_start_lambda", "local_start_api"])
@pytest.mark.parametrize("section", ["default", "replica"])
def test_local_commands_serve_the_sample(section: str, command: str) -> None:
    configuration = tomllib.loads((TEMPLATE.parent / "samconfig.toml").read_text(encoding="utf-8"))
    variables = json.loads((TEMPLATE.parent / configuration[section][command]["parameters"]["env_vars"]).read_text())
    assert variables["Function"].keys() <= FUNCTION["Environment"]["Variables"].keys()
    folder = variables["Function"]["MODEL_BUCKET"].removeprefix("file:///var/task/")
    assert (TEMPLATE.parent / FUNCTION["CodeUri"] / folder / "admission.rds").exists()


def test_the_replicas_images_are_those_make_replica_makes() -> None:
    replica = tomllib.loads((TEMPLATE.parent / "samconfig.toml").read_text(encoding="utf-8"))["replica"]
    assert replica["build"]["parameters"]["build_image"] == [BUILD_IMAGE]
    for command in ("local_invoke", "local_start_lambda", "local_start_api"):
        assert replica[command]["parameters"]["invoke_image"] == [RUN_IMAGE]
    # sam would take a layer that was built in the other image from a cache they share.
    assert replica["build"]["parameters"]["cache_dir"] not in {None, ".aws-sam/cache"}


def test_the_emulator_runs_what_the_template_declares() -> None:
    configuration = read_function(TEMPLATE, {"ModelBucket": "models", "LogLevel": "DEBUG"})
    assert configuration.handler == "admission.handler.lambda_handler"
    assert (configuration.memory_mb, configuration.timeout_seconds) == (128, 6)
    assert (configuration.code / "admission" / "handler.py").exists()
    environment = configuration.environment
    assert environment["MODEL_BUCKET"] == "models"
    assert environment["MODEL_KEY"] == "admission.rds"
    assert environment["AWS_LAMBDA_LOG_FORMAT"] == "JSON"
    assert environment["AWS_LAMBDA_LOG_LEVEL"] == "DEBUG"
    assert environment["R_DEFAULT_PACKAGES"] == "NULL"
    assert all(isinstance(value, str) for value in environment.values())


def test_a_reference_the_emulator_cannot_resolve_is_an_error() -> None:
    with pytest.raises(KeyError, match="ModelBucket"):
        read_function(TEMPLATE, {})
