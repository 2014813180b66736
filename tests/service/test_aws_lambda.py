"""The handler of AWS Lambda answers events in the shapes that AWS documents as the HTTP service answers requests."""

import base64
import importlib.util
import json
from urllib.parse import urlencode

import pytest

from medanomaly.core.errors import ConfigurationError, DataNotFoundError
from medanomaly.service.keys import add_key
from medanomaly.store.store import Store
from tests.conftest import ROOT
from tests.service import small_models
from tests.service.test_routes import RECORD, npz, same

pytest.importorskip("mangum", reason="mangum is not installed")


@pytest.fixture(scope="module")
def environment(folder, tmp_path_factory):
    keys = tmp_path_factory.mktemp("lambda") / "keys.json"
    key = add_key(keys, "lambda", ["score", "explain"])
    return {"MEDANOMALY_MODELS": str(folder), "MEDANOMALY_KEYS": str(keys)}, key


@pytest.fixture(scope="module")
def handler(environment):
    from medanomaly.service.aws_lambda import handler_of

    return handler_of(environment[0])


def form(name, content):
    """An upload: bytes that are no text, and the type of the body."""
    mark = "----WebKitFormBoundary7MA4YWxkTrZu0gW"
    head = f'--{mark}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
    head += "Content-Type: application/octet-stream\r\n\r\n"
    return head.encode() + content + f"\r\n--{mark}--\r\n".encode(), f"multipart/form-data; boundary={mark}"


def body_of(content):
    """As AWS hands a body on: text as it is, bytes as base64."""
    if isinstance(content, bytes):
        return {"body": base64.b64encode(content).decode(), "isBase64Encoded": True}
    return {"body": content, "isBase64Encoded": False}


def rest_api(method, path, content, headers, query):
    """API Gateway REST API: payload format 1.0."""
    headers = {
        "Host": "abc123.execute-api.eu-central-1.amazonaws.com",
        "X-Forwarded-Proto": "https",
    } | headers
    return {
        "resource": "/{proxy+}",
        "path": path,
        "httpMethod": method,
        "headers": headers,
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
        "queryStringParameters": query or None,
        "multiValueQueryStringParameters": {name: [value] for name, value in query.items()} or None,
        "pathParameters": {"proxy": path.strip("/")},
        "stageVariables": None,
        "requestContext": {
            "resourceId": "u6a5ys",
            "resourcePath": "/{proxy+}",
            "httpMethod": method,
            "extendedRequestId": "G3CYPGIAFiAFuRg=",
            "requestTime": "01/Mar/2026:11:49:11 +0000",
            "path": f"/prod{path}",
            "accountId": "123456789012",
            "protocol": "HTTP/1.1",
            "stage": "prod",
            "domainPrefix": "abc123",
            "requestTimeEpoch": 1772365751000,
            "requestId": "00a30aae-ba0b-4f28-b94e-2e36ac6c5e34",
            "identity": {"sourceIp": "192.0.2.7", "userAgent": "curl/8.5.0"},
            "domainName": headers["Host"],
            "apiId": "abc123",
        },
    } | body_of(content)


def http_api(method, path, content, headers, query):
    """API Gateway HTTP API: payload format 2.0, with a stage before the path."""
    path = f"/prod{path}"
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": urlencode(query),
        "headers": {"host": "abc123.execute-api.eu-central-1.amazonaws.com", "x-forwarded-proto": "https"}
        | {name.lower(): value for name, value in headers.items()},
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "abc123",
            "domainName": "abc123.execute-api.eu-central-1.amazonaws.com",
            "domainPrefix": "abc123",
            "http": {
                "method": method,
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": "192.0.2.7",
                "userAgent": "curl/8.5.0",
            },
            "requestId": "JKJaXmPLvHcESHA=",
            "routeKey": "$default",
            "stage": "prod",
            "time": "01/Mar/2026:11:49:11 +0000",
            "timeEpoch": 1772365751000,
        },
    } | ({} if content is None else body_of(content))


def function_url(method, path, content, headers, query):
    """The URL of a function: payload format 2.0, without a stage; a body always comes as base64."""
    event = http_api(method, path, content, headers, query)
    host = "abcdefghijklmnop.lambda-url.eu-central-1.on.aws"
    event["rawPath"] = event["requestContext"]["http"]["path"] = path
    event["headers"]["host"] = event["requestContext"]["domainName"] = host
    event["requestContext"] |= {"stage": "$default", "accountId": "anonymous"}
    if isinstance(content, str):
        event |= body_of(content.encode())
    return event


def load_balancer(method, path, content, headers, query):
    """Application Load Balancer, single-value headers; values of a query are not decoded."""
    return {
        "requestContext": {
            "elb": {
                "targetGroupArn": "arn:aws:elasticloadbalancing:eu-central-1:123456789012:targetgroup/ward/6d0ecf831eec9f09"
            }
        },
        "httpMethod": method,
        "path": path,
        "queryStringParameters": query,
        "headers": {
            "host": "ward-846800462.eu-central-1.elb.amazonaws.com",
            "x-amzn-trace-id": "Root=1-5c536348-3d683b8b04734faae651f476",
            "x-forwarded-for": "192.0.2.7",
            "x-forwarded-port": "443",
            "x-forwarded-proto": "https",
        }
        | {name.lower(): value for name, value in headers.items()},
    } | body_of(content or "")


def load_balancer_of_many(method, path, content, headers, query):
    """Application Load Balancer, multi-value headers."""
    event = load_balancer(method, path, content, headers, query)
    event["multiValueHeaders"] = {name: [value] for name, value in event.pop("headers").items()}
    event["multiValueQueryStringParameters"] = {
        name: [value] for name, value in event.pop("queryStringParameters").items()
    }
    return event


SHAPES = [rest_api, http_api, function_url, load_balancer, load_balancer_of_many]


class Answer:
    """An answer as AWS makes one of what the handler returns."""

    def __init__(self, given):
        self.status_code = given["statusCode"]
        self.content = given["body"].encode()
        if given["isBase64Encoded"]:
            self.content = base64.b64decode(given["body"])
        self.as_text = not given["isBase64Encoded"]
        many = given.get("multiValueHeaders") or {}
        self.headers = {name: values[0] for name, values in many.items()} | dict(given.get("headers") or {})
        # it has to be JSON for AWS
        json.dumps(given)

    def json(self):
        return json.loads(self.content)


@pytest.fixture(params=SHAPES, ids=lambda shape: shape.__name__)
def ask(request, handler, environment, monkeypatch):
    if request.param is http_api:
        monkeypatch.setitem(handler.config, "api_gateway_base_path", "/prod")

    def ask(method, path, content=None, kind="application/json", key=environment[1], **query):
        headers = {"Content-Type": kind} | ({} if key is None else {"X-API-Key": key})
        return Answer(handler(request.param(method, path, content, headers, query), None))

    return ask


def test_records_are_scored_as_in_python(ask, models):
    for verb, explain in (("score", False), ("explain", 20)):
        answer = ask("POST", f"/v1/tabular/{verb}", json.dumps({"records": RECORD, "alpha": 0.1}))
        assert answer.status_code == 200
        assert answer.as_text
        assert answer.headers["x-model-version"]
        same(answer, models, RECORD, explain, modality="tabular", alpha=0.1)


def test_binary_bodies_arrive_as_they_were_sent(ask, models):
    signal = small_models.ecg(7, 30.0)[:, :1]
    content, kind = form("a.npz", npz(signal))
    with pytest.raises(UnicodeDecodeError):
        content.decode()
    answer = ask("POST", "/v1/signals/score", content, kind)
    assert answer.status_code == 200
    scores = [case["answers"][0]["score"] for case in answer.json()["cases"] if case["status"] == "scored"]
    wanted = models.score(
        signal.astype("float32"), modality="signals", fs=small_models.FS, leads=["II"], units="mV"
    )
    first = wanted.scores[wanted.scores["model"].eq(answer.json()["cases"][0]["answers"][0]["model"])]
    assert scores == pytest.approx(first["score"].tolist(), rel=1e-6)


def test_errors_keys_and_pages(ask):
    answer = ask("POST", "/v1/tabular/score", "{", key=None)
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.as_text
    assert ask("POST", "/v1/tabular/score", "{").status_code == 400
    assert ask("POST", "/v1/tabular/score", json.dumps({"records": []})).status_code == 422
    assert ask("GET", "/nowhere").status_code == 404
    assert ask("GET", "/metrics").status_code == 403
    assert ask("GET", "/health/ready").json()["status"] == "ready"
    page = ask("GET", "/", key=None)
    assert page.headers["content-type"].startswith("text/html")
    assert b"medanomaly" in page.content
    assert ask("GET", "/v1/models", **{"a name": "Doe, Jane & co"}).json()["modalities"]


def test_no_path_reaches_a_log(handler, environment, caplog):
    caplog.set_level(0)
    headers = {"X-API-Key": environment[1]}
    assert handler(function_url("GET", "/CANARY/Jane Doe", None, headers, {}), None)["statusCode"] == 404
    assert "CANARY" not in caplog.text


def test_answers_are_in_the_store_when_they_are_given(environment, tmp_path, monkeypatch):
    from medanomaly.service.aws_lambda import handler_of

    monkeypatch.setenv("MEDANOMALY_SUBJECT_KEY", "a secret key of the tests")
    url = f"sqlite:///{tmp_path / 'predictions.db'}"
    handler = handler_of(environment[0] | {"MEDANOMALY_STORE": url})
    try:
        event = function_url(
            "POST",
            "/v1/tabular/score",
            json.dumps({"records": RECORD | {"record_id": "r1"}}),
            {"X-API-Key": environment[1], "Content-Type": "application/json"},
            {},
        )
        assert handler(event, None)["statusCode"] == 200
        with Store.open(url) as store:
            assert len(store.predictions(case="r1")) == 2
    finally:
        handler.app.state.service.close()


def test_it_starts_only_with_models_and_keys(environment, monkeypatch):
    from medanomaly.service.aws_lambda import handler_of

    given, _ = environment
    for name in given:
        with pytest.raises(ConfigurationError, match=name):
            handler_of({other: value for other, value in given.items() if other != name})
    with pytest.raises(DataNotFoundError):
        handler_of(given | {"MEDANOMALY_MODELS": "nowhere"})
    with pytest.raises(ConfigurationError, match="no store"):
        handler_of(given | {"MEDANOMALY_KEEP_RECORDS": "1"})
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    spec = importlib.util.spec_from_file_location("handler", ROOT / "deploy/lambda/handler.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert callable(module.handler)
