"""The Lambda function: read the event, predict, reply.

The work of a cold start happens here, in init: R started, the model fetched and read. If there is no model then, init
still succeeds, and the first invocation that finds one answers.
"""

from __future__ import annotations

import os
import time
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from admission import events, http_api
from admission.engine import Engine
from admission.errors import AdmissionError, ModelError
from admission.scoring import score
from admission.settings import Settings
from admission.store import Bucket, ModelStore

logger = Logger(service="admission")  # the modules' own loggers are children of this one
metrics = Metrics(namespace="Admission", service="admission")

settings = Settings.from_environment(os.environ)
engine = Engine()
store = ModelStore(settings, Bucket(settings.bucket).fetch, engine.load)
try:
    store.current()
except ModelError as error:
    # The reason says it all, no traceback is needed.
    logger.error("no model at init, the next invocation tries again", extra={"reason": str(error)})  # noqa: TRY400


@metrics.log_metrics(capture_cold_start_metric=True)
@logger.inject_lambda_context
def lambda_handler(event: Any, context: Any) -> events.Reply:  # noqa: ARG001  # the decorators read the context
    """Answer one event; see `admission.events` for its forms, and `admission.http_api` for how one comes over HTTP.

    Raises
    ------
    InvalidInput, ModelUnavailable, ModelUnusable, PredictionFailed
        A direct invocation fails with this name as its ``errorType`` and every reason in its ``errorMessage``.
    """
    return http_api.respond(event, _answer) if http_api.is_request(event) else _answer(event)


def _answer(event: object) -> events.Reply:
    # Without the request it may have come in, whose headers hold credentials.
    logger.debug("event", extra={"event": event})
    try:
        return _score(event)
    except AdmissionError as error:
        # The runtime logs the error of a direct invocation itself.
        metrics.add_metric(type(error).__name__, MetricUnit.Count, 1)
        raise


def _score(event: object) -> events.Reply:
    started = time.perf_counter()
    call = events.read(event)
    served = store.current()
    ready = time.perf_counter()
    outcomes = score(served.model, call.applicants)
    scored = time.perf_counter()

    rejected = sum(isinstance(outcome, AdmissionError) for outcome in outcomes)
    model_ms, predict_ms = (ready - started) * 1000, (scored - ready) * 1000
    logger.info(
        "scored",
        extra={
            "caller": type(call).__name__.lower(),
            "applicants": len(outcomes),
            "rejected": rejected,
            "model_version": served.version,
            "model_ms": round(model_ms, 3),
            "predict_ms": round(predict_ms, 3),
        },
    )
    metrics.add_metric("Applicants", MetricUnit.Count, len(outcomes))
    metrics.add_metric("RejectedApplicants", MetricUnit.Count, rejected)
    if rejected < len(outcomes):
        metrics.add_metric("PredictTime", MetricUnit.Milliseconds, predict_ms)
    return call.reply(outcomes, served, settings.threshold)
