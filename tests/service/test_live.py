"""Live ECG: chunks of any size give the beats of one push, alarms come once, many streams run at a time."""

import numpy as np
import pytest

from medanomaly.service.live import Alarms
from medanomaly.signals.beat_detector.streaming import StreamingBeatScorer
from tests.service import small_models
from tests.service.conftest import client_of

PATH = "/v1/signals/live"
START = {"fs": small_models.FS, "leads": ["II", "V1"]}


@pytest.fixture(scope="module")
def signal():
    return small_models.ecg(55, 30)


def finished(stream, beats, alarms):
    while True:
        message = stream.receive_json()
        assert message["type"] != "problem", message
        if message["type"] == "end":
            return message
        beats += message["beats"]
        alarms += message["alarms"]


def streamed(client, signal, size, form="bytes", **start):
    beats, alarms = [], []
    with client.websocket_connect(PATH) as stream:
        stream.send_json(START | start)
        ready = stream.receive_json()
        assert ready["type"] == "ready"
        for at in range(0, len(signal), size):
            chunk = signal[at : at + size]
            if form == "bytes":
                stream.send_bytes(chunk.astype("<f4").tobytes())
            else:
                stream.send_json(
                    {"samples": [[None if np.isnan(x) else x for x in row] for row in chunk.tolist()]}
                )
        stream.send_json({"end": True})
        end = finished(stream, beats, alarms)
    return beats, alarms, end, ready


@pytest.mark.parametrize(("size", "form"), [(37, "bytes"), (720, "json"), (100_000, "bytes")])
def test_chunks_give_the_beats_of_the_scorer(client, models, signal, size, form):
    detector = models["signals.beat_detector"].scorer.detector
    scorer = StreamingBeatScorer(detector, small_models.FS, 2)
    given = signal if form == "json" else signal.astype("<f4").astype(float)
    parts = [scorer.push(given), scorer.finish()]
    beats, _, end, ready = streamed(client, signal, size, form)
    np.testing.assert_array_equal([b["sample"] for b in beats], np.concatenate([p.sample for p in parts]))
    np.testing.assert_allclose(
        [b["score"] for b in beats], np.concatenate([p.score for p in parts]), atol=1e-9
    )
    assert end["beats"] == len(beats)
    assert ready["learning_s"] == 12.0
    assert all(0 < beat["p_value"] <= 1 for beat in beats)


def test_units_are_converted_and_gaps_are_taken(client, signal):
    first = [beat["score"] for beat in streamed(client, signal, 5000)[0]]
    other = [beat["score"] for beat in streamed(client, 1000 * signal, 5000, units="uV")[0]]
    np.testing.assert_allclose(first, other, rtol=1e-3, atol=1e-3)
    gappy = signal.copy()
    gappy[4000:4050] = np.nan
    assert len(streamed(client, gappy, 5000, "json")[0]) > 20


def test_eight_streams_at_a_time(client, signal):
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: streamed(client, signal, 1800)[0], range(8)))
    assert all(beats == found[0] for beats in found)
    assert client.app.state.service.streams == 0


def test_a_stopped_heart_raises_an_alarm_once(client, signal):
    silent = np.vstack([signal, np.zeros((3600, 2))])
    _, alarms, end, _ = streamed(client, silent, 360)
    pauses = [alarm for alarm in alarms if alarm["kind"] == "pause"]
    assert len(pauses) == 1
    assert pauses[0]["start_s"] > 27
    assert end["alarms"] == len(alarms)


def test_alarms_of_rhythms_are_told_once():
    alarms, found, at = Alarms(100.0), [], 0
    for i in range(40):
        at += 80
        # every second beat, then three in a row
        flag = (10 <= i < 24 and i % 2 == 0) or 30 <= i < 33
        found += alarms.add(np.array([at]), np.array([flag]), at + 10)
    kinds = [alarm["kind"] for alarm in found]
    assert kinds.count("bigeminy") == 1
    assert kinds.count("run") == 1
    assert kinds.count("flagged beats") == 1
    found = alarms.add(np.array([at + 400]), np.array([False]), at + 410)
    assert [alarm["kind"] for alarm in found] == ["pause"]


BAD = [
    "no JSON", "[]", "{}", '{"fs": 10, "leads": ["a"]}', '{"fs": 360, "leads": []}', '{"fs": 360, "leads": ["a"], "x": 1}',
    '{"fs": 360, "leads": ["a"], "units": "K"}', '{"fs": 360, "leads": ["a"], "model": "none"}',
    '{"fs": NaN, "leads": ["a"]}',
]  # fmt: skip


@pytest.mark.parametrize("first", BAD)
def test_a_stream_that_begins_wrongly_is_closed(client, first):
    with client.websocket_connect(PATH) as stream:
        stream.send_text(first)
        message = stream.receive_json()
        assert message["type"] == "problem"
        assert 400 <= message["problem"]["status"] < 500
        assert stream.receive()["type"] == "websocket.close"


@pytest.mark.parametrize(
    "chunk",
    [b"123", "text", '{"samples": [[1]]}', '{"samples": [[1, "a"]]}', "{}", "[[[1]]]", b"x" * (2**20 + 8),
     "[" * 100_000],
    ids=["bytes", "text", "one lead", "word", "empty", "deep", "large", "deeper"],
)  # fmt: skip
def test_a_chunk_that_cannot_be_used_closes_the_stream(client, chunk):
    with client.websocket_connect(PATH) as stream:
        stream.send_json(START)
        stream.receive_json()
        (stream.send_bytes if isinstance(chunk, bytes) else stream.send_text)(chunk)
        assert stream.receive_json()["problem"]["status"] in (413, 422)
        assert stream.receive()["type"] == "websocket.close"


def test_one_stream_more_is_told_to_come_later(models):
    with client_of(models, streams=1) as client:
        with client.websocket_connect(PATH) as first:
            first.send_json(START)
            assert first.receive_json()["type"] == "ready"
            with client.websocket_connect(PATH) as second:
                assert second.receive_json()["problem"]["status"] == 503


def test_a_short_stream_ends_without_beats(client, signal):
    beats, _, end, _ = streamed(client, signal[:700], 100)
    assert (beats, end["beats"]) == ([], 0)
