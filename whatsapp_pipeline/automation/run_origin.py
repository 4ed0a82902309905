"""Making runs of the command line appear on Dagster's Jobs page and Timeline, like runs of the UI.

What belongs here: the tag and the origin that those pages need. What does not: running jobs (headless.py).
`execute_in_process` sets neither. There is no public way to set the origin, so only this module uses the
private one, and a test checks the pages.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import dagster as dg

from whatsapp_pipeline.dagster_private import (
    LoadableTargetOrigin,
    ManagedGrpcPythonEnvCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)

LOCATION = "whatsapp_pipeline"  # as in workspace.yaml
_REPOSITORY = "__repository__"  # Dagster's name for the only repository of a code location
TAGS = {".dagster/repository": f"{_REPOSITORY}@{LOCATION}"}


@contextlib.contextmanager
def with_origin(instance: dg.DagsterInstance, job_name: str) -> Iterator[None]:
    """Set the code location's origin in the runs of a job that are created inside the block."""
    origin = RemoteJobOrigin(
        RemoteRepositoryOrigin(
            ManagedGrpcPythonEnvCodeLocationOrigin(
                LoadableTargetOrigin(module_name="whatsapp_pipeline.definitions"), LOCATION
            ),
            _REPOSITORY,
        ),
        job_name,
    )
    create = instance.create_run_for_job

    def create_with_origin(*args: Any, **kwargs: Any) -> dg.DagsterRun:  # noqa: ANN401  # Dagster's own
        return create(*args, **{**kwargs, "remote_job_origin": origin})

    vars(instance)["create_run_for_job"] = create_with_origin
    try:
        yield
    finally:
        del vars(instance)["create_run_for_job"]
