import uuid

import pytest
import sqlalchemy as sa
from tests.store.answers import KEY

from medanomaly.store.store import Store


@pytest.fixture
def new_database(request, tmp_path):
    """URL of a database of this test alone, on SQLite or PostgreSQL; parametrize it indirectly."""
    if getattr(request, "param", "sqlite") == "sqlite":
        yield f"sqlite:///{tmp_path / 'store.db'}"
        return
    server = sa.make_url(request.getfixturevalue("postgresql"))
    name = f"store_{uuid.uuid4().hex}"
    engine = sa.create_engine(server, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with engine.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name}"))
    yield server.set(database=name).render_as_string(hide_password=False)
    with engine.connect() as connection:
        connection.execute(sa.text(f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture
def store(new_database):
    with Store.open(new_database, key=KEY) as opened:
        yield opened
