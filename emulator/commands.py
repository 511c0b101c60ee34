"""The commands behind `make run` and `make serve`."""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from emulator.rie import FUNCTION_NAME, INVOKE_PATH, LambdaFunction, NotEmulatedError, emulator_path
from emulator.rlang import RNotUsableError
from emulator.s3 import EmbeddedS3
from emulator.sandbox import function_on

_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_EXAMPLE = '{"gre":"800","gpa":"4","rank":"1"}'


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns
    -------
    int
        The exit status: 0, 1 if the invocation failed, 2 if it could not be made.
    """
    options = _parser().parse_args(arguments)
    # A terminal that closes and a `kill` end everything as Ctrl-C does.
    for number in _ENDING:
        signal.signal(number, _interrupt)
    # This machine's AWS profile has no say in an emulation.
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    try:
        emulator_path()  # before anything is started for nothing
        return int(options.command(options))
    except KeyboardInterrupt:
        return 130
    except (OSError, NotEmulatedError, RNotUsableError, subprocess.CalledProcessError) as error:
        _say(f"error: {error}")
        return 2


def run(options: argparse.Namespace) -> int:
    """Send one event: the log on stderr, the answer alone on stdout."""
    event = sys.stdin.buffer.read() if options.event == "-" else Path(options.event).read_bytes()
    if not event.strip():
        _say("error: the event is empty")
        return 2
    with EmbeddedS3() as storage, _function(options, storage) as function:
        answer = function.invoke(event)
    print(answer.payload)
    return int(answer.failed)


def serve(options: argparse.Namespace) -> int:
    """Keep the function up until Ctrl-C."""
    with EmbeddedS3() as storage, _function(options, storage, options.port) as function:
        # The emulator fails if two first events come at once, so the first is sent here; the log tells how it went.
        function.invoke(b'{"warmer": true}')
        print(
            f"""The function is up. Invoke it from another shell:

aws lambda invoke --endpoint-url {function.endpoint} --no-sign-request --region us-east-1 \\
    --function-name {FUNCTION_NAME} --cli-binary-format raw-in-base64-out \\
    --payload '{_EXAMPLE}' output.txt

(The AWS CLI of version 1 wants no --cli-binary-format.)

curl --data '{_EXAMPLE}' {function.endpoint}{INVOKE_PATH}

Ctrl-C ends it. Its log follows.""",
            flush=True,
        )
        function.wait()
    _say("error: the Runtime Interface Emulator has ended; it takes one event at a time")
    return 2


def _function(
    options: argparse.Namespace, storage: EmbeddedS3, port: int = 0
) -> contextlib.AbstractContextManager[LambdaFunction]:
    overrides = dict(options.set)
    storage.put(overrides.get("MODEL_KEY", "admission.rds"), Path(options.model).read_bytes())
    return function_on(storage, _say, overrides, port)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m emulator", description=__doc__)
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--model", required=True, help="the model, as saveRDS() wrote it")
    common.add_argument(
        "--set", action="append", default=[], type=_assignment, metavar="NAME=VALUE", help="a variable of the function"
    )
    commands = parser.add_subparsers(required=True)
    once = commands.add_parser("run", parents=[common], help=run.__doc__)
    once.add_argument("--event", required=True, help="a file with the event, or - for standard input")
    once.set_defaults(command=run)
    up = commands.add_parser("serve", parents=[common], help=serve.__doc__)
    up.add_argument("--port", type=int, default=3001, help="of the Invoke API (default: %(default)s)")
    up.set_defaults(command=serve)
    return parser


def _assignment(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise argparse.ArgumentTypeError(f"{text} is not NAME=VALUE")
    return name, value


def _interrupt(_number: int, _frame: object) -> None:
    for number in _ENDING:
        signal.signal(number, signal.SIG_IGN)  # once is enough; what is running is being ended
    raise KeyboardInterrupt


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
