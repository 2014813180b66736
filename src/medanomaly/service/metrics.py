"""What Prometheus reads: requests, their time, cases scored and flagged. Labels hold no ids and no values."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from medanomaly.scoring.answers import Answers

BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "WEBSOCKET")
MEDIA_TYPE = CONTENT_TYPE_LATEST


class Metrics:
    """The metrics of one service, in a registry of its own."""

    def __init__(self):
        self._registry = registry = CollectorRegistry()
        self.requests = Counter(
            "medanomaly_requests", "Requests", ["method", "route", "status"], registry=registry
        )
        self.seconds = Histogram(
            "medanomaly_request_seconds", "Time to the answer", ["route"], buckets=BUCKETS, registry=registry
        )
        self.in_progress = Gauge("medanomaly_requests_in_progress", "Requests now", registry=registry)
        self.scored = Counter(
            "medanomaly_cases_scored", "Cases scored", ["modality", "model"], registry=registry
        )
        self.flagged = Counter(
            "medanomaly_cases_flagged", "Cases flagged", ["modality", "model"], registry=registry
        )
        self.refused = Counter("medanomaly_cases_refused", "Cases refused", ["modality"], registry=registry)
        self.streams = Gauge("medanomaly_live_streams", "Live ECGs now", registry=registry)
        self.alarms = Counter("medanomaly_live_alarms", "Alarms of live ECGs", ["kind"], registry=registry)
        self.models = Gauge("medanomaly_model_info", "Models served", ["model", "bundle"], registry=registry)
        self.reloads = Counter(
            "medanomaly_model_reloads", "Times that another champion was loaded", registry=registry
        )
        self.reload_failures = Counter(
            "medanomaly_model_reload_failures", "Champions that could not be loaded", registry=registry
        )
        self.ready = Gauge("medanomaly_ready", "1 where models are loaded and warm", registry=registry)
        self.stored = Counter(
            "medanomaly_predictions_stored", "Predictions that are new in the store", registry=registry
        )
        self.store_waiting = Gauge(
            "medanomaly_store_waiting", "Answers that wait to be stored", registry=registry
        )
        self.store_failures = Counter(
            "medanomaly_store_failures",
            "Answers that were not given, because they could not be stored",
            registry=registry,
        )
        self.reviews = Counter(
            "medanomaly_alarm_reviews", "Reviews of alarms", ["verdict"], registry=registry
        )
        self.stream_cases = Gauge(
            "medanomaly_stream_cases",
            "Cases that the watch over the stream has seen",
            ["modality"],
            registry=registry,
        )
        self.stream_capital = Gauge(
            "medanomaly_stream_capital",
            "Capital of the bets that cases are taken otherwise than at calibration; 100 raises the alarm",
            ["modality"],
            registry=registry,
        )
        self.stream_broken = Gauge(
            "medanomaly_stream_broken",
            "1 where cases are taken otherwise than at calibration, so that p-values do not hold",
            ["modality"],
            registry=registry,
        )
        # memory, processor time and open files, where the system tells
        ProcessCollector(registry=registry)

    def count(self, answers: Answers) -> None:
        """Add the cases of an answer."""
        for (modality, model), rows in answers.scores.groupby(["modality", "model"], sort=False):
            self.add(str(modality), str(model), len(rows), int(rows["flagged"].eq(True).fillna(False).sum()))
        if len(answers.read.refused):
            self.refused.labels(answers.modality).inc(len(answers.read.refused))

    def add(self, modality: str, model: str, scored: int, flagged: int) -> None:
        """Add cases of one model."""
        self.scored.labels(modality, model).inc(scored)
        self.flagged.labels(modality, model).inc(flagged)

    def watch(self, modality: str, n_cases: int, capital: float, broken: bool) -> None:
        """What the watch over the stream of a modality says."""
        self.stream_cases.labels(modality).set(n_cases)
        self.stream_capital.labels(modality).set(capital)
        self.stream_broken.labels(modality).set(int(broken))

    def text(self) -> bytes:
        """The exposition format."""
        return generate_latest(self._registry)
