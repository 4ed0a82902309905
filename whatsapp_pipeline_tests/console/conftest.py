"""Consoles that serve for a whole module."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from whatsapp_pipeline_tests.console.running import RunningConsole, running_console


@pytest.fixture(scope="module")
def console(database_url: str) -> Iterator[RunningConsole]:
    """A console over an empty database."""
    with running_console(database_url) as running:
        yield running
