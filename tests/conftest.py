from pathlib import Path

import pytest
from hypothesis import settings

# a shared machine can be slow; time is measured in benchmarks, never in tests. Same examples on every run.
settings.register_profile("project", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("project")

ROOT = Path(__file__).parents[1]


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
