"""The names of Dagster that its public modules don't export, in one place.

What belongs here: names that have no public equivalent, each with its use. What does not: code. An upgrade of
Dagster may move these names; then only this module has to change. A test checks that no other module imports
from Dagster's private packages.
"""

# The type of the graph that `Definitions.resolve_asset_graph` returns.
from dagster._core.definitions.assets.graph.asset_graph import AssetGraph

# The return type of `define_asset_job`.
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

# The argument of a run launcher, and its answer when Dagster's daemon asks whether a run's process is alive.
from dagster._core.launcher import CheckRunHealthResult, LaunchRunContext, WorkerStatus

# The origin of a run. The Jobs page and the Timeline need it, but `execute_in_process` does not set it.
from dagster._core.remote_origin import (
    ManagedGrpcPythonEnvCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)

# The state of a check's execution: `get_asset_check_execution_history` takes and returns it.
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin

# The type in the signature of `from_config_value`, which a custom storage class has to implement.
from dagster._serdes import ConfigurableClassData

__all__ = [
    "AssetCheckExecutionRecordStatus",
    "AssetGraph",
    "CheckRunHealthResult",
    "ConfigurableClassData",
    "LaunchRunContext",
    "LoadableTargetOrigin",
    "ManagedGrpcPythonEnvCodeLocationOrigin",
    "RemoteJobOrigin",
    "RemoteRepositoryOrigin",
    "UnresolvedAssetJobDefinition",
    "WorkerStatus",
]
