"""Live ECG over a WebSocket: samples come in chunks of any size, scores of beats and alarms go back."""

import contextlib
import json
from collections import deque
from typing import Any

import numpy as np
from pydantic import Field
from starlette.datastructures import Headers
from starlette.websockets import WebSocket, WebSocketDisconnect

from medanomaly.core.conformal import checked_alpha, p_values
from medanomaly.core.errors import MedanomalyError
from medanomaly.scoring.answers import NOTICE
from medanomaly.scoring.model_answers import OpenModel
from medanomaly.scoring.models import Models
from medanomaly.service.bodies import Body, checked, numbers
from medanomaly.service.problems import Problem, invalid, log, of_error, where
from medanomaly.service.routes import Routes
from medanomaly.service.service import Service

PATH = "/v1/signals/live"
KIND = "beat_detector"
MILLIVOLTS = {"mv": 1.0, "uv": 1e-3, "µv": 1e-3, "v": 1e3}
# closing codes: the data are wrong, no key, come again later
POLICY, TOO_LARGE, LATER = 1008, 1009, 1013
# beats in which rhythms are looked for; fibrillation needs 60 intervals
REMEMBERED = 128
# flagged beats closer than this are one episode
GAP_S = 10.0
REASONS = 3
MOST_LEADS = 16


class Start(Body):
    """The first message of a stream."""

    fs: float = Field(ge=100, le=10_000)
    leads: list[str] = Field(min_length=1, max_length=MOST_LEADS)
    record: str | None = Field(None, max_length=100)
    patient: str | None = Field(None, max_length=100)
    units: str = Field("mV", max_length=4)
    model: str | None = Field(None, max_length=200)
    alpha: float | None = Field(None, ge=0, le=1)
    key: str | None = Field(None, max_length=200)


class Stream:
    """One live ECG.

    Args:
        model: a causal beat detector.
        start: the first message.

    Raises:
        ConfigurationError: the detector is not causal.
    """

    def __init__(self, model: OpenModel, start: Start):
        from medanomaly.signals.beat_detector.fusion import CONTRIBUTION_MEANINGS, CONTRIBUTIONS
        from medanomaly.signals.beat_detector.streaming import StreamingBeatScorer

        self.model, self.fs, self.n_leads = model, start.fs, len(start.leads)
        self.scorer = StreamingBeatScorer(model.scorer.detector, start.fs, self.n_leads)
        self.alpha = checked_alpha(model.alpha if start.alpha is None else start.alpha)
        self.n_beats = self.n_flagged = self.n_alarms = 0
        self._meanings = [CONTRIBUTION_MEANINGS[name] for name in CONTRIBUTIONS]
        self._alarms = Alarms(start.fs)
        try:
            self._scale = MILLIVOLTS[start.units.strip().lower()]
        except KeyError:
            raise invalid("units has to be mV, uV or V.") from None

    def ready(self) -> dict[str, Any]:
        """What the stream is told first."""
        return {
            "type": "ready",
            "model": self.model.bundle.manifest.name,
            "bundle": self.model.bundle.bundle_hash,
            "alpha": self.alpha,
            "latency_s": round(self.scorer.latency_s, 3),
            "learning_s": self.scorer.detector.learn_s,
            "notice": NOTICE,
        }

    def push(self, chunk: np.ndarray) -> dict[str, Any] | None:
        """Samples to the beats and alarms that became certain; None where there are none.

        Args:
            chunk: (n, n_leads) in the unit of the stream; what is not finite was not recorded.
        """
        chunk = np.where(np.isfinite(chunk), chunk, np.nan) * self._scale
        return self._said(self.scorer.push(chunk))

    def finish(self) -> dict[str, Any] | None:
        """The last beats."""
        return self._said(self.scorer.finish())

    def summary(self) -> dict[str, Any]:
        """What the stream is told last."""
        return {
            "type": "end",
            "seconds": round(self.scorer.n_read / self.fs, 3),
            "beats": self.n_beats,
            "flagged": self.n_flagged,
            "alarms": self.n_alarms,
        }

    def _said(self, beats: Any) -> dict[str, Any] | None:
        p = p_values(beats.score, self.model.scorer.calibration) if len(beats.score) else np.zeros(0)
        flagged = p <= self.alpha
        alarms = self._alarms.add(beats.sample, flagged, self.scorer.n_read)
        self.n_beats += len(p)
        self.n_flagged += int(flagged.sum())
        self.n_alarms += len(alarms)
        if not len(p) and not alarms:
            return None
        return {
            "type": "beats",
            "beats": [
                {
                    "sample": int(sample),
                    "time_s": round(sample / self.fs, 3),
                    "score": float(score),
                    "p_value": float(value),
                    "flagged": bool(flag),
                    "reasons": self._reasons(terms),
                }
                for sample, score, value, flag, terms in zip(
                    beats.sample, beats.score, p, flagged, beats.contributions, strict=True
                )
            ],
            "alarms": alarms,
        }

    def _reasons(self, terms: np.ndarray) -> list[dict[str, Any]]:
        order = np.argsort(-terms, kind="stable")[:REASONS]
        return [
            {"feature": self._meanings[j], "contribution": round(float(terms[j]), 4)}
            for j in order
            if terms[j] > 0
        ]


class Alarms:
    """Alarms of one stream: each episode is told once, when it begins.

    Args:
        fs: Hz.
    """

    def __init__(self, fs: float):
        self.fs = fs
        self._sample: deque[int] = deque(maxlen=REMEMBERED)
        self._flagged: deque[bool] = deque(maxlen=REMEMBERED)
        self._until: dict[str, float] = {}
        self._last_flag = -np.inf
        self._paused = 0

    def add(self, sample: np.ndarray, flagged: np.ndarray, n_read: int) -> list[dict[str, Any]]:
        """Beats that were scored, and how far the signal has come."""
        from medanomaly.signals.alarms.rhythm_episodes import PAUSE_S, af_episodes, pattern_episodes

        found = []
        for at, flag in zip(sample.tolist(), flagged.tolist(), strict=True):
            before = self._sample[-1] if self._sample else at
            if at - before >= PAUSE_S * self.fs and self._paused <= before:
                found.append(self._alarm("pause", before / self.fs))
            if flag:
                if at / self.fs - self._last_flag > GAP_S:
                    found.append(self._alarm("flagged beats", at / self.fs))
                self._last_flag = at / self.fs
            self._sample.append(at)
            self._flagged.append(flag)
        # a heart that has stopped gives no beat that could be scored
        last = self._sample[-1] if self._sample else None
        if last is not None and n_read - last >= (PAUSE_S + 2) * self.fs and self._paused <= last:
            self._paused = last + 1
            found.append(self._alarm("pause", last / self.fs))
        if len(sample):
            beats, marks = np.array(self._sample), np.array(self._flagged)
            tables = [pattern_episodes(beats, self.fs, marks)] if marks.any() else []
            tables.append(af_episodes(beats, self.fs, ectopic=marks))
            for row in (row for table in tables for row in table.itertuples()):
                # an episode that goes on has been told already
                if row.start_s > self._until.get(row.kind, -np.inf):
                    found.append(self._alarm(row.kind, row.start_s))
                self._until[row.kind] = max(row.end_s, self._until.get(row.kind, -np.inf))
        return found

    @staticmethod
    def _alarm(kind: str, start_s: float) -> dict[str, Any]:
        return {"type": "alarm", "kind": kind, "start_s": round(float(start_s), 3)}


def add_live(routes: Routes, service: Service) -> None:
    """``/v1/signals/live``."""

    async def live(socket: WebSocket) -> None:
        await socket.accept()
        if service.streams >= service.settings.streams:
            await _refuse(socket, Problem(503, "busy", "Too many streams. Try again later."), LATER)
            return
        service.streams += 1
        service.metrics.streams.inc()
        try:
            await _talk(socket, service)
        except WebSocketDisconnect:
            return
        except Problem as problem:
            code = {413: TOO_LARGE, 503: LATER}.get(problem.status, POLICY)
            await _refuse(socket, problem, code)
        except MedanomalyError as error:
            await _refuse(socket, of_error(error), POLICY)
        except Exception as error:
            log.error("stream %s failed: %s", socket.state.request_id, where(error))
            await _refuse(socket, Problem(500, "internal-error", "The stream failed."), 1011)
        finally:
            service.streams -= 1
            service.metrics.streams.dec()

    routes.websocket(PATH, live)


async def _talk(socket: WebSocket, service: Service) -> None:
    first = await socket.receive()
    if first["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(first.get("code", 1000))
    start = checked(Start, _message(first.get("text")))
    headers = socket.headers if start.key is None else Headers({"x-api-key": start.key})
    service.keys.check(headers, "score")
    stream = Stream(beat_model(service.need("signals"), start.model), start)
    await _send(socket, stream.ready())
    while True:
        given = await socket.receive()
        if given["type"] == "websocket.disconnect":
            return
        chunk = _chunk(given, stream.n_leads, service.settings.limits.message_bytes)
        if chunk is None:
            # too few beats for the learning time: there is nothing to say of them
            with contextlib.suppress(MedanomalyError):
                await _tell(socket, service, stream, await service.live_workers.run(stream.finish))
            await _send(socket, stream.summary())
            await socket.close()
            return
        await _tell(socket, service, stream, await service.live_workers.run(stream.push, chunk))


async def _tell(socket: WebSocket, service: Service, stream: Stream, said: dict[str, Any] | None) -> None:
    if said is None:
        return
    name = stream.model.bundle.manifest.name
    service.metrics.add("signals", name, len(said["beats"]), sum(beat["flagged"] for beat in said["beats"]))
    for alarm in said["alarms"]:
        service.metrics.alarms.labels(alarm["kind"]).inc()
    await _send(socket, said)


async def _send(socket: WebSocket, content: dict[str, Any]) -> None:
    await socket.send_text(json.dumps(content, allow_nan=False))


async def _refuse(socket: WebSocket, problem: Problem, code: int) -> None:
    try:
        await _send(socket, {"type": "problem", "problem": problem.body()})
        await socket.close(code)
    except (RuntimeError, WebSocketDisconnect):
        # the other side has gone
        return


def _message(text: str | None) -> Any:
    try:
        return json.loads(text or "")
    except (ValueError, RecursionError):
        raise invalid("The first message has to be JSON with fs and leads.") from None


def _chunk(given: dict[str, Any], n_leads: int, most: int) -> np.ndarray | None:
    """(n, n_leads) samples of a message, or None where it ends the stream."""
    content, text = given.get("bytes"), given.get("text")
    if len(content or b"") > most or len(text or "") > most:
        raise Problem(413, "too-large", f"A message has at most {most:,} bytes.")
    if content is not None:
        if len(content) % (4 * n_leads):
            raise invalid(f"A binary message holds float32 values, {n_leads} per sample.")
        return np.frombuffer(content, dtype="<f4").reshape(-1, n_leads).astype(np.float64)
    try:
        message = json.loads(text or "")
    except (ValueError, RecursionError):
        raise invalid("A text message has to be JSON.") from None
    if isinstance(message, dict) and message.get("end") is True:
        return None
    samples = message.get("samples") if isinstance(message, dict) else message
    if samples == []:
        return np.zeros((0, n_leads))
    found = numbers(samples, "samples")
    found = found[:, None] if found.ndim == 1 and n_leads == 1 else found
    if found.ndim != 2 or found.shape[1] != n_leads:
        raise invalid(f"samples has to be a list of lists of {n_leads} numbers.")
    return found


def beat_model(models: Models, name: str | None) -> OpenModel:
    """The beat detector of this name, or the only one.

    Raises:
        Problem: there is none.
    """
    found = [models[each] for each in models if models[each].kind.name == KIND]
    if name is not None:
        found = [model for model in found if name in (model.name, model.bundle.manifest.name)]
    if not found:
        raise Problem(404, "not-found", "There is no such beat detector among these models.")
    return found[0]
