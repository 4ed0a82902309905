"""Assets as DataFrames, for `load_asset_value` and for a user's own downstream assets.

What belongs here: the requested rows and columns, and pandas. What does not: statements and types of columns
(store/table_frames.py).

The pipeline's assets return no values, because their rows are in PostgreSQL. So this IO manager only reads.
"""

# Do not add `from __future__ import annotations`: Dagster needs the types of fields as objects, not as text.
from typing import TYPE_CHECKING, Any

import dagster as dg

from whatsapp_pipeline import settings
from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline.resources.database import Database

# polars and pandas take longer to load than Dagster itself, so they are imported only when frames are read.
if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    from pandas.api.extensions import ExtensionArray

KEY = "table_frames"
"""The name of the resource, which the assets of the pipeline name as their IO manager."""


class TableFrames(dg.ConfigurableIOManager):
    """Reads the table of an asset as a pandas or polars DataFrame.

    The frame is one of polars if the input has that annotation, otherwise one of pandas. An input chooses
    columns by its metadata, `dg.AssetIn(metadata={"columns": ["id", "month"]})`. A monthly asset is read for
    the months of the input's partitions, which may be all months.
    """

    database: dg.ResourceDependency[Database]

    def handle_output(self, context: dg.OutputContext, obj: object) -> None:
        """Raise an error, because assets of the pipeline write to the database themselves."""
        raise PipelineError(
            f"{context.asset_key.to_user_string()} returned a value, but {KEY} stores no values; remove "
            "io_manager_key from an asset of your own that returns a value"
        )

    def load_input(self, context: dg.InputContext) -> "pd.DataFrame | pl.DataFrame":
        """Return the asset's rows.

        Raises PipelineError if the asset has no table, if a month must be named, or if the requested type is
        not one of the two DataFrames.
        """
        import pandas as pd
        import polars as pl

        wanted = context.dagster_type.typing_type
        frames = (pl.DataFrame, pd.DataFrame)
        # `Any` means an input without an annotation. It is a class since Python 3.11.
        if wanted is not Any and isinstance(wanted, type) and not issubclass(wanted, frames):
            raise PipelineError(
                f"{context.asset_key.to_user_string()} is read as a pandas.DataFrame or a polars.DataFrame, "
                f"not as {wanted.__name__}; convert the frame yourself"
            )
        frame = self._read(context)
        return frame if isinstance(wanted, type) and issubclass(wanted, pl.DataFrame) else to_pandas(frame)

    def _read(self, context: dg.InputContext) -> "pl.DataFrame":
        from whatsapp_pipeline.store import table_frames

        name = context.asset_key.to_user_string()
        upstream = context.upstream_output
        table = (upstream.definition_metadata if upstream else {}).get("dagster/table_name")
        if not isinstance(table, str):
            raise PipelineError(
                f"the asset {name} has no table, so it can't be read as a DataFrame; its result is in its "
                "metadata, on its page in Dagster"
            )
        months = context.asset_partition_keys if context.has_asset_partitions else None
        if months is None and table_frames.is_monthly(table):
            raise PipelineError(
                f'name a month of {name}, such as load_asset_value("{name}", partition_key="2025-01"); '
                "all of them may not fit into memory"
            )
        columns = context.definition_metadata.get("columns")
        if columns is not None and (isinstance(columns, str) or not columns):
            raise PipelineError(f'name columns of {name} in a list, such as {{"columns": ["id"]}}')
        with self.database.connect(application_name=f"whatsapp-pipeline frame {name}") as conn:
            return table_frames.read_table(
                conn,
                table,
                columns=columns,
                months=months if table_frames.is_monthly(table) else None,
                zone=settings.load_settings().zone,
            )


def to_pandas(frame: "pl.DataFrame") -> "pd.DataFrame":
    """Convert a frame without loss: integers with missing values stay integers, and lists stay lists."""
    import pandas as pd

    return pd.DataFrame({column.name: _pandas_column(column) for column in frame})


def _pandas_column(column: "pl.Series") -> "pd.Series | ExtensionArray":
    import pandas as pd
    import polars as pl

    kind = column.dtype
    if kind.is_integer():
        return pd.arrays.IntegerArray(column.fill_null(0).to_numpy(), column.is_null().to_numpy())
    if kind == pl.Boolean:
        return pd.arrays.BooleanArray(column.fill_null(False).to_numpy(), column.is_null().to_numpy())
    if isinstance(kind, pl.Datetime) and kind.time_zone:
        in_utc = column.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
        return pd.Series(in_utc.to_numpy()).dt.tz_localize("UTC").dt.tz_convert(kind.time_zone)
    if kind == pl.Date:
        column = column.cast(pl.Datetime("us"))
    values = column.to_list() if isinstance(kind, (pl.List, pl.Time, pl.Binary)) else column.to_numpy()
    return pd.Series(values, dtype="str" if kind == pl.String else None)
