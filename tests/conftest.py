import os
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import yaml
from hypothesis import settings

# a shared machine can be slow; time is measured in benchmarks, never in tests. Same examples on every run.
settings.register_profile("project", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("project")

# processes that each take all cores for small matrices wait for each other: together they need five times as long
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault(
        "OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // int(os.environ["PYTEST_XDIST_WORKER_COUNT"])))
    )

# no test logs anywhere, unless it says so itself
os.environ["WANDB_MODE"] = "disabled"

ROOT = Path(__file__).parents[1]


def described_models(modality):
    """Names of the blocks of ``conf/base`` that describe models of a modality."""
    return list(yaml.safe_load((ROOT / "conf/base/parameters/models.yml").read_text())["models"][modality])


def environment(env, conf=ROOT / "conf"):
    """What an environment of the project, or of another folder or archive of configuration, wants."""
    from kedro.config import OmegaConfigLoader

    from medanomaly.pipelines.environment import read_environment
    from medanomaly.settings import CONFIG_LOADER_ARGS

    return read_environment(OmegaConfigLoader(str(conf), env=env, **CONFIG_LOADER_ARGS))


def run_apart(folder, pipelines):
    """``kedro run --env test --tags imaging`` in a process of its own: what it printed, and the catalog of its outputs."""
    from kedro.framework.session import KedroSession
    from kedro.framework.startup import bootstrap_project

    words = ["--env", "test", "--pipelines", pipelines, "--tags", "imaging", "--params", f"outputs={folder}"]
    finished = subprocess.run(
        [sys.executable, "-m", "kedro", "run", *words],
        check=False,
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    bootstrap_project(ROOT)
    with KedroSession.create(ROOT, env="test", runtime_params={"outputs": str(folder)}) as session:
        return finished.stdout, session.load_context().catalog


@pytest.fixture(scope="session")
def finished_outputs(tmp_path_factory):
    """Where the finished run wrote: a folder of this process alone, since tests run in several."""
    return tmp_path_factory.mktemp("finished_run")


@pytest.fixture(scope="session")
def finished_run(finished_outputs):
    """Outputs of ``kedro run --env test``, made once; returns the catalog they are read through."""
    from kedro.framework.session import KedroSession
    from kedro.framework.startup import bootstrap_project

    bootstrap_project(ROOT)
    outputs = {"outputs": str(finished_outputs)}
    with KedroSession.create(ROOT, env="test", runtime_params=outputs) as session:
        session.run()
        return session.load_context().catalog


@pytest.fixture(scope="session")
def postgresql():
    """URL of an empty database in a server of its own, which no one else can reach."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb")) or [shutil.which("initdb")]
    if not found[-1]:
        pytest.skip("no PostgreSQL server is installed")
    programs = Path(found[-1]).parent
    # the server refuses to run as root
    user = []
    if os.getuid() == 0:
        if not shutil.which("runuser") or subprocess.call(
            ["id", "postgres"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ):
            pytest.skip("PostgreSQL does not run as root, and there is no user postgres")
        user = ["runuser", "-u", "postgres", "--"]
    # not below pytest's folder, which every other session of pytest closes to the user that the server runs as
    folder = Path(tempfile.mkdtemp(prefix="postgresql-"))
    if user:
        shutil.chown(folder, "postgres")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]

    def run(*command):
        subprocess.run(
            [*user, str(programs / command[0]), *command[1:]], check=True, capture_output=True, cwd=folder
        )

    run("initdb", "-D", str(folder / "data"), "-U", "ward", "-A", "trust")
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder}"
    log = str(folder / "log")
    # detached from our pipes, which the server would hold open
    subprocess.run(
        [*user, str(programs / "pg_ctl"), "-D", str(folder / "data"), "-l", log, "-w", "-o", options, "start"],
        check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder,
    )  # fmt: skip
    yield f"postgresql+pg8000://ward@127.0.0.1:{port}/postgres"
    run("pg_ctl", "-D", str(folder / "data"), "-m", "immediate", "stop")
    shutil.rmtree(folder)


def pytest_make_parametrize_id(val, argname):
    """Files and long texts are named by their argument: processes must agree on the names, and a new file has a new UID."""
    return argname if isinstance(val, bytes) or (isinstance(val, str) and len(val) > 100) else None


# before the hook of xdist, which reads the groups
@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Tests that share a fixture run in one process, which makes it once; otherwise each process makes its own."""
    for item in items:
        found = [defined[-1] for defined in item._fixtureinfo.name2fixturedefs.values()]
        # fixtures of plugins have no place of their own
        own = [fixture for fixture in found if fixture.baseid.startswith("tests")]
        of_session = sorted(fixture.argname for fixture in own if fixture.scope in ("session", "package"))
        if of_session:
            item.add_marker(pytest.mark.xdist_group(of_session[0]))
        elif any(fixture.scope == "module" for fixture in own):
            item.add_marker(pytest.mark.xdist_group(item.module.__name__))
