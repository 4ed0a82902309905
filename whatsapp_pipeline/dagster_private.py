"""The names of Dagster that its public modules don't export, in one place.

What belongs here: a name that has no public equivalent, with the reason we need it. What does not belong
here: code. An upgrade of Dagster may move these names; then only this module has to change. A test checks
that no other module imports from Dagster's private packages.
"""

# The type of the graph that `Definitions.resolve_asset_graph` returns.
from dagster._core.definitions.assets.graph.asset_graph import AssetGraph

# The return type of `define_asset_job`.
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

# What a run launcher is given, and answers when Dagster's daemon asks whether a run's process is alive.
from dagster._core.launcher import CheckRunHealthResult, LaunchRunContext, WorkerStatus

# The origin of a run, which the Jobs page and the Timeline ask for and `execute_in_process` leaves out.
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
