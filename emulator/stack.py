"""The function as template.yaml declares it, so that nothing about it is written down a second time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from samcli.yamlhelper import yaml_parse


@dataclass(frozen=True)
class FunctionConfiguration:
    """What Lambda would be told about the function.

    Attributes
    ----------
    code
        Folder that is unpacked as the task root.
    handler
        Dotted name of the handler.
    memory_mb, timeout_seconds
        Its limits.
    environment
        Its environment variables, references resolved.
    """

    code: Path
    handler: str
    memory_mb: int
    timeout_seconds: int
    environment: Mapping[str, str]


def read_function(template: Path, references: Mapping[str, str]) -> FunctionConfiguration:
    """Read the stack's one function.

    Parameters
    ----------
    template
        Path of the SAM template.
    references
        What ``!Ref`` of a resource or parameter stands for; a parameter that is not named here has its default.

    Raises
    ------
    KeyError
        If a reference can't be resolved.
    """
    document = yaml_parse(template.read_text(encoding="utf-8"))
    parameters = document["Parameters"].items()
    values = {name: parameter["Default"] for name, parameter in parameters if "Default" in parameter} | dict(references)

    def resolve(value: Any) -> str:
        return str(values[value["Ref"]] if isinstance(value, dict) else value)

    properties = document["Resources"]["Function"]["Properties"]
    logging = properties["LoggingConfig"]
    variables = properties["Environment"]["Variables"] | {
        "AWS_LAMBDA_LOG_FORMAT": logging["LogFormat"],
        "AWS_LAMBDA_LOG_LEVEL": logging["ApplicationLogLevel"],
    }
    return FunctionConfiguration(
        code=template.parent / properties["CodeUri"],
        handler=properties["Handler"],
        memory_mb=properties["MemorySize"],
        timeout_seconds=properties["Timeout"],
        environment={name: resolve(value) for name, value in variables.items()},
    )
