"""No run opens a connection: every way out that programs take, the proxy, is watched."""

import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.test_bad_input import good_table
from tests.test_run_record import Small


@pytest.fixture
def proxy():
    """Address of a proxy that notes who wants to be connected where, and connects nobody."""
    seen, server = [], socket.create_server(("127.0.0.1", 0))

    def listen():
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            connection.settimeout(5)
            with connection:
                try:
                    seen.append(connection.recv(200).split(b"\r\n")[0].decode(errors="replace"))
                except OSError:
                    seen.append("a connection")

    threading.Thread(target=listen, daemon=True).start()
    yield f"http://127.0.0.1:{server.getsockname()[1]}", seen
    server.close()


def watched(command, address, **more):
    free = {
        k: v
        for k, v in os.environ.items()
        if k
        not in (
            "DO_NOT_TRACK",
            "ORT_DISABLE_TELEMETRY",
            "WANDB_ERROR_REPORTING",
            "WANDB_MODE",
            "NO_PROXY",
            "no_proxy",
        )
    }
    ways = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy"), address)
    return subprocess.run(
        command,
        cwd=ROOT,
        env=free | ways | more,
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def test_the_watch_sees_a_connection(proxy):
    address, seen = proxy
    watched([sys.executable, "-c", "import urllib.request as r; r.urlopen('https://example.org')"], address)
    assert seen == ["CONNECT example.org:443 HTTP/1.1"] or seen[0].startswith("CONNECT example.org:443")


def test_a_run_that_is_logged_offline_opens_no_connection(proxy, tmp_path):
    pytest.importorskip("wandb", reason="needs the extra 'tracking'")
    address, seen = proxy
    small = Small(tmp_path)
    good_table().to_csv(small.csv, index=False)
    small.write_conf()
    program = Path(sys.executable).parent / "kedro"
    command = [program, "run", "--env", "mine", "--conf-source", small.conf]
    folder = tmp_path / "logged"
    found = watched([*command, "--params", f"tracking.wandb.folder={folder}"], address, WANDB_MODE="offline")
    assert found.returncode == 0, found.stderr
    # it was logged, and nobody was told
    assert list(folder.rglob("run-*.wandb"))
    assert seen == []
