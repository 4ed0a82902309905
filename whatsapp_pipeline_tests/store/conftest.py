"""The store's tests run on the embedded server, and again on PostgreSQL 15 where it is installed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from whatsapp_pipeline.store.migrate import migrate
from whatsapp_pipeline_tests.conftest import create_database
from whatsapp_pipeline_tests.postgres15 import IS_INSTALLED, serving_postgres15

SERVERS = ["embedded", *(["15"] if IS_INSTALLED else [])]


@pytest.fixture(scope="session")
def postgres15_admin_url() -> Iterator[str]:
    """A PostgreSQL 15, once a session: in random order pytest sets up `admin_url` again and again."""
    with serving_postgres15() as url:
        yield url


@pytest.fixture(scope="session", params=SERVERS)
def admin_url(request: pytest.FixtureRequest) -> str:
    """The embedded server, and PostgreSQL 15."""
    name = "embedded_admin_url" if request.param == "embedded" else "postgres15_admin_url"
    return str(request.getfixturevalue(name))


@pytest.fixture(scope="session")
def migrated_servers() -> set[str]:
    """URLs of the servers that have the template already."""
    return set()


@pytest.fixture(scope="session")
def migrated_template(admin_url: str, migrated_servers: set[str]) -> str:
    """A migrated database on each of those servers; that of other tests is on the embedded one alone."""
    name = "template_migrated_store"
    if admin_url not in migrated_servers:
        migrate(create_database(admin_url, name, "template0"))
        migrated_servers.add(admin_url)
    return name
