"""Tables and reports as pandas DataFrames for a notebook, without Dagster.

What belongs here: two functions that open the database of the settings. What does not: assets as DataFrames
(table_frames.py) and the statements (store/).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from whatsapp_pipeline import settings
from whatsapp_pipeline.databases import pipeline_url
from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline.resources.table_frames import to_pandas
from whatsapp_pipeline.store.connection import connect

if TYPE_CHECKING:
    import pandas as pd

_NAME = "whatsapp-pipeline notebook"


def table_frame(name: str, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """Return the rows of a table or view, such as `v_link_quality`.

    Args:
        name: The table or view. For a month of a large table use `defs.load_asset_value`.
        columns: The columns to return, in this order; None for all.

    Raises:
        PipelineError: The table or a column does not exist.
    """
    from whatsapp_pipeline.store.table_frames import read_table

    configured = settings.load_settings()
    with connect(pipeline_url(configured), application_name=_NAME) as conn:
        return to_pandas(read_table(conn, name, columns=columns, zone=configured.zone))


def report_frame(kind: str, first_month: str | None = None, last_month: str | None = None) -> pd.DataFrame:
    """Return the rows that `whatsapp-pipeline export` writes, such as `qa` or `unmatched`.

    Names are masked for a database role that may not read messages, and columns that the role may not read
    are empty.

    Args:
        kind: The name of the export: `qa` has the result of each check by month.
        first_month: Only this month and later ones, `YYYY-MM`; None for all.
        last_month: The last month; None for `first_month` alone.

    Raises:
        PipelineError: There is no such export, or the database role may not read its rows.
    """
    import polars as pl

    from whatsapp_pipeline.steps.operations.export import masked
    from whatsapp_pipeline.store.operations import exports

    if kind not in exports.EXPORTS:
        raise PipelineError(f"there is no export {kind!r}; there are {', '.join(exports.EXPORTS)}")
    export, configured = exports.EXPORTS[kind], settings.load_settings()
    months = exports.Months(first_month, last_month or first_month) if first_month else None
    with connect(pipeline_url(configured), application_name=_NAME) as conn:
        exports.require_exportable(conn, kind)
        chunks = exports.chunks(conn, export, months, zone=configured.zone)
        if not exports.may_see_names(conn):
            chunks = masked(chunks, export)
        return to_pandas(pl.concat(list(chunks)))
