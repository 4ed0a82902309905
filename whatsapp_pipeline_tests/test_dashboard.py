"""The example dashboard for Superset: every column, metric and filter that it names works on the views."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from whatsapp_pipeline.settings import PROJECT_ROOT
from whatsapp_pipeline.store import catalog, grants
from whatsapp_pipeline.store.connection import connect
from whatsapp_pipeline.store.operations.home import coverage_and_checks

FOLDER = PROJECT_ROOT / "docs" / "dashboard"


def _read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return found


def _all(kind: str) -> list[dict[str, Any]]:
    return [_read(path) for path in sorted((FOLDER / kind).rglob("*.yaml"))]


DATASETS = {dataset["uuid"]: dataset for dataset in _all("datasets")}
CHARTS = _all("charts")


def _names(chart: dict[str, Any]) -> set[str]:
    """Return the columns that a chart shows, groups or filters by."""
    params = chart["params"]
    filters = [one["subject"] for one in params["adhoc_filters"]]
    axis = [params["x_axis"]] if "x_axis" in params else []
    return {*axis, *params.get("groupby", ()), *params.get("all_columns", ()), *filters}


def _metrics(chart: dict[str, Any]) -> list[str]:
    params = chart["params"]
    return [*params.get("metrics", ()), *([params["metric"]] if "metric" in params else [])]


def test_each_dataset_names_columns_of_its_view_with_their_types(prepared_url: str) -> None:
    with connect(prepared_url) as conn:
        for dataset in DATASETS.values():
            types = {
                column.name: column.type.upper()
                for column in catalog.table_columns(conn, dataset["table_name"])
            }
            stored = {
                one["column_name"]: one["type"] for one in dataset["columns"] if "expression" not in one
            }
            assert stored.items() <= types.items(), dataset["table_name"]


@pytest.mark.parametrize("chart", CHARTS, ids=[str(chart["slice_name"]) for chart in CHARTS])
def test_a_reader_gets_rows_for_each_chart(prepared_url: str, chart: dict[str, Any]) -> None:
    dataset = DATASETS[chart["dataset_uuid"]]
    expressions = {
        one["column_name"]: one.get("expression", one["column_name"]) for one in dataset["columns"]
    }
    metrics = {one["metric_name"]: one["expression"] for one in dataset["metrics"]}
    names = sorted(_names(chart))
    assert set(names) <= expressions.keys()
    groups = [expressions[name] for name in names]
    measures = [metrics[name] for name in _metrics(chart)]
    group_by = f" GROUP BY {', '.join(groups)}" if groups and measures else ""
    query = f"SELECT {', '.join([*groups, *measures])} FROM {dataset['table_name']}"
    where = " AND ".join(_condition(expressions, one) for one in chart["params"]["adhoc_filters"]) or "true"
    order_by = ", ".join(_sorting(expressions, one) for one in chart["params"].get("order_by_cols", ()))
    with connect(prepared_url) as conn, conn.transaction(force_rollback=True):
        grants.apply(conn)
        conn.execute("SET LOCAL ROLE whatsapp_reader")
        rows = conn.execute(f"{query}{group_by}").fetchall()
        conn.execute(f"{query} WHERE {where}{group_by} ORDER BY {order_by or 1}")
    assert rows
    for number, measure in enumerate(measures, len(groups)):
        assert all(row[number] is not None for row in rows), measure


def _sorting(expressions: dict[str, str], stored: str) -> str:
    """Return a sorting of a chart, which is stored as JSON, as Superset writes it into the query."""
    name, is_ascending = json.loads(stored)
    return f"{expressions[name]} {'ASC' if is_ascending else 'DESC'}"


def _condition(expressions: dict[str, str], one: dict[str, Any]) -> str:
    """Return a chart's filter as Superset writes it into the query."""
    assert (one["expressionType"], one["clause"]) == ("SIMPLE", "WHERE")
    assert one["operator"] in ("IS TRUE", "IS FALSE"), "write this operator as a condition here"
    return f"({expressions[one['subject']]}) {one['operator']}"


def test_the_share_of_linked_chats_is_that_of_the_consoles_home(prepared_url: str) -> None:
    """Also with a group, a copy of a linked chat, and a chat that a person gave to nobody."""
    (dataset,) = (one for one in DATASETS.values() if one["table_name"] == "v_link_quality")
    (share,) = (one["expression"] for one in dataset["metrics"] if one["metric_name"] == "percent_linked")
    with connect(prepared_url) as conn, conn.transaction(force_rollback=True):
        conn.execute(
            "INSERT INTO chat_files (filename, file_path, month, match_status, is_group, id_contato,"
            " duplicate_of)"
            " SELECT v.name, v.name, f.month, v.status, v.is_group, v.contact, v.copy_of FROM"
            " (SELECT id, month, id_contato FROM chat_files WHERE match_status = 'linked'"
            "   AND duplicate_of IS NULL ORDER BY id LIMIT 1) f"
            " CROSS JOIN LATERAL (VALUES ('own-group', 'group', true, NULL::bigint, NULL::bigint),"
            "   ('own-copy', 'linked', false, f.id_contato, f.id),"
            "   ('own-nobody', 'manual', false, NULL, NULL))"
            "   AS v (name, status, is_group, contact, copy_of)"
        )
        rows = conn.execute(f"SELECT month, {share} FROM v_link_quality GROUP BY month".encode()).fetchall()
        months, _, _ = coverage_and_checks(conn, months=1000, checks=1)
    shown = {month: round(float(percent), 6) for month, percent in rows}
    assert shown == {one.month: round(100 * one.linked / one.chats, 6) for one in months}
    assert len(shown) > 1


def test_the_dashboard_holds_each_chart_once() -> None:
    (dashboard,) = _all("dashboards")
    placed = [part["meta"]["uuid"] for part in dashboard["position"].values() if _is_chart(part)]
    assert sorted(placed) == sorted(chart["uuid"] for chart in CHARTS)
    (database,) = _all("databases")
    assert {dataset["database_uuid"] for dataset in DATASETS.values()} == {database["uuid"]}
    assert "XXXXXXXXXX" in database["sqlalchemy_uri"]  # Superset asks for the password


def _is_chart(part: dict[str, Any] | str) -> bool:
    """Say whether a part of the dashboard's layout is a chart; one entry of the layout is its version."""
    return isinstance(part, dict) and part["type"] == "CHART"
