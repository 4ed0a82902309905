"""Definitions whose `load_asset_value` has clear errors for a wrong asset or month.

What belongs here: the checks before an asset is read. Dagster reads the partition key itself, and its errors
name neither the asset nor a solution. What does not: reading the rows (table_frames.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import dagster as dg

from whatsapp_pipeline.errors import PipelineError

AssetName: TypeAlias = dg.AssetKey | Sequence[str] | str


class PipelineDefinitions(dg.Definitions):
    """The definitions of the pipeline. They can load an asset's rows for one month or a range of months."""

    def load_asset_value(
        self,
        asset_key: AssetName,
        *,
        python_type: type | None = None,
        instance: dg.DagsterInstance | None = None,
        partition_key: str | None = None,
        partition_key_range: dg.PartitionKeyRange | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> object:
        """Return the rows of an asset.

        Args:
            asset_key: The asset, such as `chat_messages`.
            python_type: `pl.DataFrame` for polars; otherwise the frame is one of pandas.
            instance: Dagster's instance; None for the one of DAGSTER_HOME.
            partition_key: The month of a monthly asset, `YYYY-MM`.
            partition_key_range: The first and the last month, instead of one month.
            metadata: `{"columns": [...]}` chooses columns.

        Raises:
            PipelineError: There is no such asset, month or column, or the asset has no table.
        """
        with self.get_asset_value_loader(instance) as loader:
            return loader.load_asset_value(
                asset_key,
                python_type=python_type,
                partition_key=partition_key,
                partition_key_range=partition_key_range,
                input_definition_metadata=metadata,
            )

    def get_asset_value_loader(self, instance: dg.DagsterInstance | None = None) -> CheckedAssetLoader:
        """Return a loader for several assets."""
        definitions = self.resolve_asset_graph().assets_defs
        return CheckedAssetLoader({key: one for one in definitions for key in one.keys}, instance=instance)


class CheckedAssetLoader(dg.AssetValueLoader):
    """Dagster's loader of asset values. It first checks that the asset and its months exist."""

    def __init__(
        self,
        assets_defs_by_key: Mapping[dg.AssetKey, dg.AssetsDefinition],
        instance: dg.DagsterInstance | None = None,
    ) -> None:
        super().__init__(assets_defs_by_key, instance=instance)
        self._definitions = assets_defs_by_key

    def load_asset_value(
        self,
        asset_key: AssetName,
        *,
        python_type: type[object] | None = None,
        partition_key: str | None = None,
        partition_key_range: dg.PartitionKeyRange | None = None,
        input_definition_metadata: dict[str, Any] | None = None,
        resource_config: Mapping[str, Any] | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> object:
        """Return the rows of an asset; arguments and errors as for `PipelineDefinitions`."""
        if partition_key is not None and partition_key_range is not None:
            raise PipelineError("give partition_key or partition_key_range, not both")
        if partition_key_range is not None:
            self._require_partitions(asset_key, [partition_key_range.start, partition_key_range.end])
        else:
            self._require_partitions(asset_key, [] if partition_key is None else [partition_key])
        return super().load_asset_value(
            asset_key,
            python_type=python_type,
            partition_key=partition_key,
            partition_key_range=partition_key_range,
            input_definition_metadata=input_definition_metadata or metadata,
            resource_config=resource_config,
        )

    def _require_partitions(self, asset_key: AssetName, wanted: Sequence[str]) -> None:
        """Raise PipelineError unless the asset exists and has these partitions, in this order."""
        key = dg.AssetKey.from_coercible(asset_key)
        name = key.to_user_string()
        if key not in self._definitions:
            known = ", ".join(sorted(one.to_user_string() for one in self._definitions))
            raise PipelineError(f"there is no asset {name}; the assets are {known}")
        partitions = self._definitions[key].partitions_def
        if partitions is None:
            if wanted:
                raise PipelineError(
                    f"{name} has no months, so {wanted[0]!r} chooses nothing; remove the partition key"
                )
            return
        known_keys = partitions.get_partition_keys()
        unknown = [month for month in wanted if month not in known_keys]
        if unknown:
            raise PipelineError(
                f"{name} has no partition {unknown[0]!r}; it has {known_keys[0]} to {known_keys[-1]} "
                "(FIRST_MONTH sets the first). For several at once give "
                f'partition_key_range=dg.PartitionKeyRange("{known_keys[0]}", "{known_keys[-1]}")'
            )
        if wanted and known_keys.index(wanted[0]) > known_keys.index(wanted[-1]):
            raise PipelineError(f"{name}: the range begins with {wanted[0]}, after its end {wanted[-1]}")
