"""What the site tells its operator about itself: metrics, one log line a request, and the request's id.

Nothing personal: no address, no file's name, nothing of a photo, and not the size of an answer, which would betray it.
"""

import logging
import re
import secrets
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from urllib.parse import quote

from flask import Flask, Response, current_app, g, request
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)

from app.advice import OUT_OF_DISTRIBUTION, Advice, Level
from app.inference import InferenceQueue
from model_store.bundle import Bundle
from model_store.classes import CODES
from model_store.prediction import Prediction
from model_store.quality import LIMITS

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20)
PLACES = ("uploads", "decoding", "queue")
REFUSALS = (*dict.fromkeys(limit.code for limit in LIMITS if limit.hard is not None), OUT_OF_DISTRIBUTION)
SHARES = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)

# A second time series for each counter, which only says when it began.
disable_created_metrics()

logger = logging.getLogger(__name__)


class Metrics:
    """Every metric of one site, in a registry of its own; docs/operate/running.md explains them."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        own = {"registry": self.registry}
        self.requests = Counter(
            "skin_requests", "Requests by view and outcome: ok, or the code of the problem.", ["view", "outcome"], **own
        )
        self.request_seconds = Histogram(
            "skin_request_seconds", "From the request's headers to its answer.", ["view"], buckets=SECONDS, **own
        )
        self.stage_seconds = Histogram(
            "skin_stage_seconds", "What one photo costs, stage by stage.", ["stage"], buckets=SECONDS, **own
        )
        self.refusals = Counter("skin_refusals", "Photos that the gate refuses, by reason.", ["reason"], **own)
        self.predicted = Counter("skin_predicted_class", "Photos by their most likely diagnosis.", ["code"], **own)
        self.advice = Counter("skin_advice", "Photos by their advice level.", ["level"], **own)
        self.confidence = Histogram(
            "skin_confidence", "Probability of the most likely diagnosis.", buckets=SHARES, **own
        )
        self.out_of_distribution = Counter(
            "skin_out_of_distribution", "Photos unlike what the network has learnt.", **own
        )
        self.overloaded = Counter(
            "skin_overloaded", "Photos refused since all places were taken, by which.", ["places"], **own
        )
        # For an alert, what begins at 40 has not risen, and a model that never says "urgent" has no share of it.
        for counter, labels in (
            (self.overloaded, PLACES),
            (self.predicted, CODES),
            (self.advice, (level.value for level in Level)),
            (self.refusals, REFUSALS),
        ):
            for label in labels:
                counter.labels(label)
        self.ready = Gauge("skin_ready", "1 while photos are answered, 0 while the model hangs.", **own)
        self.queue_waiting = Gauge("skin_queue_waiting", "Photos that wait for the model.", **own)
        self.queue_places = Gauge("skin_queue_places", "Photos that may wait; more are refused.", **own)
        self.model = Info("skin_model", "The model bundle that answers.", **own)

    def describe(self, bundle: Bundle, queue: InferenceQueue, places: int) -> None:
        """Say which model answers, and ask the queue whenever the metrics are read."""
        self.model.info({"name": bundle.name, "version": bundle.version, "id": bundle.id})
        self.queue_waiting.set_function(lambda: queue.waiting)
        self.queue_places.set(places)
        self.ready.set_function(lambda: queue.answers)

    def start_at_zero(self, views: Iterable[str], outcomes: Iterable[str]) -> None:
        """Let these outcomes of these views exist before they happen, and how long they take."""
        for view in views:
            self.request_seconds.labels(view)
            for outcome in outcomes:
                self.requests.labels(view, outcome)

    def text(self) -> bytes:
        """All metrics in Prometheus's text format."""
        return generate_latest(self.registry)


def init_app(app: Flask) -> None:
    """Count, time and log every request; first of all parts, so that no other one's refusal goes unseen."""
    app.extensions["metrics"] = Metrics()
    app.before_request(_begin)
    app.after_request(_end)


def stage(name: str) -> AbstractContextManager:
    """Time a stage of a photo's way: `with stage("decode"): ...`."""
    return current_app.extensions["metrics"].stage_seconds.labels(name).time()


def timed(metrics: Metrics, name: str, function: Callable) -> Callable:
    """A function that is timed as a stage, outside any request; for the thread of the model."""
    return metrics.stage_seconds.labels(name).time()(function)


def count_answer(prediction: Prediction, advice: Advice, refusal: str) -> None:
    """Count what was said of one new photo.

    Args:
        refusal: the gate's reason, as from `classifier.refusal`; empty where it accepts.
    """
    metrics = current_app.extensions["metrics"]
    top = prediction.ranking[0]
    metrics.predicted.labels(CODES[top]).inc()
    metrics.confidence.observe(prediction.probabilities[top])
    metrics.advice.labels(advice.level.value).inc()
    metrics.out_of_distribution.inc(prediction.out_of_distribution)
    if refusal:
        metrics.refusals.labels(refusal).inc()


def request_id() -> str:
    """The id of this request: in its log lines, on its error page, in the answer's X-Request-ID."""
    return g.request_id


def note_problem(code: str) -> None:
    """Remember with which problem this request ends."""
    g.outcome = code


def _begin() -> None:
    g.request_id = secrets.token_hex(6)
    g.started = time.perf_counter()
    g.outcome = "ok"


def _end(response: Response) -> Response:
    seconds = time.perf_counter() - g.started
    view = request.endpoint or "none"
    metrics = current_app.extensions["metrics"]
    metrics.requests.labels(view, g.outcome).inc()
    metrics.request_seconds.labels(view).observe(seconds)
    response.headers["X-Request-ID"] = g.request_id
    entry = {
        "request_id": g.request_id,
        "method": _printable(request.method),
        "path": quote(request.path),
        "status": response.status_code,
        "outcome": g.outcome,
        "ms": round(1000 * seconds),
    }
    line = "%(method)s %(path)s %(status)d %(outcome)s %(ms)d ms, request %(request_id)s"
    logger.log(logging.DEBUG if request.blueprint == "operations" else logging.INFO, line, entry, extra=entry)
    return response


def _printable(text: str) -> str:
    return re.sub(r"\W", "?", text)[:20]
