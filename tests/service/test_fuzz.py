"""Requests drawn from the service's own description: none of them makes it fail."""

import os
import warnings

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from tests.service.conftest import client_of

schemathesis = pytest.importorskip("schemathesis", reason="schemathesis is not installed")

# per route; benchmarks/serving_fuzz.py draws more
CASES = int(os.environ.get("MEDANOMALY_FUZZ_CASES", "12"))


def test_no_request_makes_it_fail(models):
    # an application of its own: its life ends with the requests, and its threads with it
    schema = schemathesis.openapi.from_asgi("/openapi.json", client_of(models).app)
    seen = []
    for found in schema.get_all_operations():
        operation = found.ok()

        @settings(
            max_examples=CASES,
            deadline=None,
            database=None,
            derandomize=True,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        def ask(case):
            answer = case.call(base_url="http://127.0.0.1")
            seen.append(answer.status_code)
            assert answer.status_code < 500, (case.method, case.path, answer.text)

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            given(case=operation.as_strategy())(ask)()
    assert len(seen) > 50
    assert {200, 422} <= set(seen)
    assert 421 not in seen
