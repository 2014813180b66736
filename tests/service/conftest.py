import pytest
from starlette.testclient import TestClient

from medanomaly.scoring.models import open_models
from medanomaly.service.app import create_app
from medanomaly.service.settings import Settings
from tests.service import small_models

LOCAL = "http://127.0.0.1"


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """Models of every modality, as a run leaves them."""
    return small_models.write_all(tmp_path_factory.mktemp("served"))


@pytest.fixture(scope="session")
def models(folder):
    return open_models(folder)


def client_of(models, **settings):
    # the client of WebSockets calls the service by this name
    app = create_app(models, Settings(hosts=("testserver",), workers=2, **settings))
    return TestClient(app, base_url=LOCAL, raise_server_exceptions=True)


@pytest.fixture(scope="session")
def client(models):
    with client_of(models, limits={"seconds": 300}) as client:
        yield client
