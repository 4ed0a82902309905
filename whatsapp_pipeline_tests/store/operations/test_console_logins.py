"""The names of the console's logins: one set for each database of a server."""

from __future__ import annotations

from itertools import combinations

import pytest

from whatsapp_pipeline.store.operations.console_logins import LOGIN_ROLES, login_name

LONGEST = 63  # bytes of a name; the server cuts longer names
DATABASES = (
    "loja",
    "l" * 40,
    "l" * 40 + "1",
    "l" * 46,
    "l" * 47,
    "l" * 62 + "1",
    "l" * 62 + "2",
    "ç" * 31,
    "ç" * 30 + "x",
    "𝟙" * 15,
)


def test_a_short_name_stays_as_it_is() -> None:
    assert login_name("loja", "access") == "loja_console_access"
    assert login_name("l" * 40, "reviewer") == "l" * 40 + "_console_reviewer"


@pytest.mark.parametrize("database", DATABASES)
def test_the_server_does_not_cut_the_name_of_a_login(database: str) -> None:
    names = {login_name(database, purpose) for purpose in LOGIN_ROLES}
    assert len(names) == len(LOGIN_ROLES)
    assert max(len(name.encode()) for name in names) <= LONGEST


@pytest.mark.parametrize(("one", "other"), combinations(DATABASES, 2))
def test_two_databases_share_no_login(one: str, other: str) -> None:
    assert {login_name(one, purpose) for purpose in LOGIN_ROLES}.isdisjoint(
        login_name(other, purpose) for purpose in LOGIN_ROLES
    )
