import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from medanomaly.monitoring.notices import FOOTER, PASSWORD, notice_text, send_notices
from medanomaly.monitoring.params import MonitoringParams

NEW, GONE = ["'potassium' of tabular cases is distributed differently."], ["Something that was."]


def params(**more):
    return MonitoringParams(models="models", destination="monitoring", **more)


@pytest.fixture
def webhook():
    """URL of a server that answers as it is told, and what was posted to it."""
    posted, answer = [], [204]

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            posted.append((self.path, json.loads(self.rfile.read(int(self.headers["Content-Length"])))))
            self.send_response(answer[0])
            self.end_headers()

        def log_message(self, *_):
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/hooks/secret", posted, answer
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def mailbox():
    """Host and port of a mail server, and the mails that came."""
    controllers = pytest.importorskip("aiosmtpd.controller", reason="aiosmtpd is not installed")
    handlers = pytest.importorskip("aiosmtpd.handlers")

    class Box(handlers.Message):
        mails = ()

        def handle_message(self, message):
            self.mails = (*self.mails, message)

    box = Box()
    # a port of the system's choice; its own check of port 0 would ask for port 0 again
    controller = controllers.UnthreadedController(box, hostname="127.0.0.1", port=0)
    ready = threading.Event()

    def serve():
        import asyncio

        asyncio.set_event_loop(controller.loop)
        controller.begin()
        ready.set()
        controller.loop.run_forever()
        controller.end()

    thread = threading.Thread(target=serve)
    thread.start()
    ready.wait()
    port = controller.server.sockets[0].getsockname()[1]
    yield {"host": "127.0.0.1", "port": port, "sender": "a@example.org", "to": ["b@example.org"]}, box
    controller.loop.call_soon_threadsafe(controller.loop.stop)
    thread.join()


def test_what_is_new_and_what_is_gone_is_posted(webhook):
    url, posted, _ = webhook
    told, not_told = send_notices(params(webhook=url), "visits", "2026-11-01_2026-11-02", NEW, [], GONE)
    assert (told, not_told) == (["webhook 127.0.0.1"], [])
    ((path, message),) = posted
    assert path == "/hooks/secret"
    assert (message["new"], message["gone"], message["period"]) == (NEW, GONE, "2026-11-01_2026-11-02")


def test_what_stands_as_before_is_no_reason_to_send(webhook):
    url, posted, _ = webhook
    assert send_notices(params(webhook=url), "visits", "p", [], NEW, []) == ([], [])
    assert posted == []


def test_a_mail_says_what_is_new(mailbox):
    settings, box = mailbox
    mail = settings | {"tls": False}
    told, not_told = send_notices(params(mail=mail), "visits", "p", NEW, ["As it was."], [])
    assert (told, not_told) == (["mail to b@example.org"], [])
    (message,) = box.mails
    assert message["Subject"] == "medanomaly, visits: 1 new"
    assert message["To"] == "b@example.org"
    text = message.get_payload()
    assert NEW[0] in text
    assert "As it was." in text
    assert FOOTER in text
    send_notices(params(mail=mail), "visits", "p", [], [], GONE)
    assert box.mails[1]["Subject"] == "medanomaly, visits: 1 gone"


def test_one_way_that_fails_costs_no_other_and_keeps_its_secret(webhook, mailbox):
    url, _, answer = webhook
    answer[0] = 500
    settings, box = mailbox
    told, not_told = send_notices(
        params(webhook=url, mail=settings | {"tls": False}), "visits", "p", NEW, [], []
    )
    assert told == ["mail to b@example.org"]
    assert not_told == ["webhook 127.0.0.1: HTTPError"]
    assert len(box.mails) == 1


def test_mail_is_not_sent_in_the_clear_where_encryption_or_a_password_is_asked_for(mailbox, monkeypatch):
    settings, box = mailbox
    monkeypatch.delenv(PASSWORD, raising=False)
    for more, said in (
        ({"tls": True}, "SMTPNotSupportedError"),
        ({"tls": True, "user": "a"}, PASSWORD),
        ({"tls": False, "user": "a"}, "without encryption"),
    ):
        if not more["tls"]:
            monkeypatch.setenv(PASSWORD, "secret")
        _, not_told = send_notices(params(mail=settings | more), "visits", "p", NEW, [], [])
        assert said in not_told[0]
        assert "secret" not in not_told[0]
    assert box.mails == ()


def test_a_webhook_is_http_and_nothing_else():
    _, not_told = send_notices(params(webhook="file:///etc/passwd"), "visits", "p", NEW, [], [])
    assert "https://" in not_told[0]


def test_a_notice_has_a_part_per_kind_and_none_that_is_empty():
    text = notice_text("p", NEW, [], GONE)
    assert "New:" in text
    assert "Gone:" in text
    assert "As before:" not in text
