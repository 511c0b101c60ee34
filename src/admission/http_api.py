"""The HTTP API as a caller: its requests hold an event as their body, and its answers have a status.

A request comes in API Gateway's payload format 2.0, and is told from a direct event by the structure that format has:
https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
"""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

from admission.errors import AdmissionError, InvalidInput

logger = logging.getLogger(__name__)


def is_request(event: object) -> bool:
    """Whether API Gateway is calling."""
    if not isinstance(event, Mapping) or event.get("version") != "2.0":
        return False
    context = event.get("requestContext")
    return isinstance(context, Mapping) and isinstance(context.get("http"), Mapping)


def respond(request: Mapping[str, Any], answer: Callable[[object], object]) -> dict[str, Any]:
    """Answer a request.

    Parameters
    ----------
    request
        The event API Gateway sent.
    answer
        From a direct event to its reply; what it raises becomes a problem of RFC 9457.

    Returns
    -------
    dict
        Status, headers and body, as API Gateway wants them.
    """
    try:
        return _response(200, "application/json", answer(_body(request)))
    except AdmissionError as error:
        # Of a direct invocation that fails, the runtime says this.
        level = logging.INFO if isinstance(error, InvalidInput) else logging.ERROR
        logger.log(level, "request failed", extra={"error": type(error).__name__, "reason": str(error)})
        problem: dict[str, object] = {
            "title": HTTPStatus(error.status).phrase,
            "status": error.status,
            "detail": str(error),
            "error": type(error).__name__,
        }
        if isinstance(error, InvalidInput):
            problem["problems"] = error.problems
        return _response(error.status, "application/problem+json", problem)


def _body(request: Mapping[str, Any]) -> object:
    """The direct event in a request; a body that is no JSON is None, which is no event either."""
    body = request.get("body")
    if not isinstance(body, str):
        return None
    try:
        return json.loads(base64.b64decode(body, validate=True) if request.get("isBase64Encoded") else body)
    except (ValueError, RecursionError):
        return None


def _response(status: int, content_type: str, body: object) -> dict[str, Any]:
    return {"statusCode": status, "headers": {"content-type": content_type}, "body": json.dumps(body)}
