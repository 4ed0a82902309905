"""Consoles that serve for a whole module."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from whatsapp_pipeline_tests.console.people import PreparedPeople, write_people
from whatsapp_pipeline_tests.console.running import RunningConsole, running_console


@pytest.fixture(scope="module")
def console(database_url: str) -> Iterator[RunningConsole]:
    """A console over an empty database."""
    with running_console(database_url) as running:
        yield running


@pytest.fixture(scope="module")
def people(console: RunningConsole) -> PreparedPeople:
    """Customers with conversations in the console's database."""
    return write_people(console.database_url)
