"""The OpenAPI document is true: requests made from it meet no server error and no undocumented answer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, assume, given, settings
from schemathesis import GenerationMode
from schemathesis.core.result import Ok

from whatsapp_pipeline.store.connection import connect
from whatsapp_pipeline_tests.console.test_api import ALLOWED, LEVELS, Api, open_api

_TRIES = 15
# A body that breaks the document may be larger than any body may be.
_REFUSALS = ["400", "401", "403", "404", "409", "413", "415", "422", "429"]
_CONFIG = schemathesis.Config.from_dict(
    {"checks": {"negative_data_rejection": {"expected-statuses": _REFUSALS}}}
)


@pytest.fixture(scope="module")
def tried(database_url: str) -> Iterator[Api]:
    with open_api(database_url) as made:
        with connect(database_url) as conn:
            conn.execute("INSERT INTO tenants (name) VALUES ('Loja')")
            conn.execute("INSERT INTO whatsapp_accounts (phone_number_id, tenant_id) VALUES ('shop', 1)")
        for level in LEVELS:
            made.client(level)
        yield made


@pytest.fixture(scope="module")
def operations(tried: Api) -> list[Any]:
    document = schemathesis.openapi.from_url(f"{tried.running.url}/api/v1/openapi.json", config=_CONFIG)
    found = [one.ok() for one in document.get_all_operations() if isinstance(one, Ok)]
    assert len(found) == len(ALLOWED)
    return found


def _largest(value: object) -> float:
    """Return the largest number in a JSON value; 0 without one."""
    if isinstance(value, dict):
        return max(map(_largest, value.values()), default=0)
    if isinstance(value, list):
        return max(map(_largest, value), default=0)
    return value if isinstance(value, (int, float)) else 0


@pytest.mark.parametrize("mode", list(GenerationMode))
@pytest.mark.parametrize("place", range(len(ALLOWED)))
def test_every_answer_is_documented(
    tried: Api, operations: list[Any], place: int, mode: GenerationMode
) -> None:
    """`mode` is whether the requests fit the document or break it in some place."""
    operation = operations[place]
    headers = {"Authorization": f"Bearer {tried.tokens[operation.tags[0]]}"}

    @settings(max_examples=_TRIES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy(generation_mode=mode))
    def try_it(case: Any) -> None:
        # An address has no form for an object or a list: their parts are sent, which may well be valid.
        assume(not any(isinstance(value, (dict, list)) for value in (case.query or {}).values()))
        # The generator rounds the largest id to a double, which is larger.
        assume(mode is not GenerationMode.POSITIVE or _largest(case.body) <= 2**63 - 1)
        case.call_and_validate(headers=headers)

    try_it()
