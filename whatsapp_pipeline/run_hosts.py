"""Refusing runs on other hosts if the settings are for one host only.

What belongs here: detecting, from `dagster.yaml` or inside a run, that each run has its own container or pod.
What does not: Celery workers, whose broker is a setting (resources/celery_workers.py), and the settings of
several hosts (settings.py).
"""

from __future__ import annotations

import os
from pathlib import Path

from whatsapp_pipeline.errors import SettingError
from whatsapp_pipeline.settings import Settings

# Packages whose launchers start each run in a container or pod with its own disk.
_CONTAINERS = (
    "dagster_k8s",
    "dagster_docker",
    "dagster_aws",
    "dagster_celery_k8s",
    "dagster_celery_docker",
)
# The launchers of Kubernetes and of Docker set this variable in the run's container.
_IN_CONTAINER = "DAGSTER_RUN_JOB_NAME"


def refuse_unshared_runs(configured: Settings) -> None:
    """Raise SettingError if each run has its own host and SEVERAL_HOSTS is not set.

    Such a run would generate its own privacy key, and would miss erasures and changes of the schema.
    """
    if configured.several_hosts:
        return
    if launcher := _container_launcher():
        found = f"run_launcher in dagster.yaml is {launcher}, so each run is on a host of its own"
    elif os.environ.get(_IN_CONTAINER):
        found = "this run was launched in a container or pod of its own"
    else:
        return
    raise SettingError(
        f"{found}: set SEVERAL_HOSTS=1 for all processes and runs, and with it DATABASE_URL, PRIVACY_KEY and "
        "SHARED_DIR, which all hosts share (docs/scale.md)"
    )


def _container_launcher() -> str | None:
    """Return module and class of a launcher of containers in this process's dagster.yaml."""
    home = os.environ.get("DAGSTER_HOME")
    try:
        text = (Path(home) / "dagster.yaml").read_text(encoding="utf-8") if home else ""
    except (OSError, UnicodeDecodeError):  # Dagster itself reports the error in the file
        return None
    if not any(package in text for package in _CONTAINERS):
        return None
    import yaml  # here, because most commands need no YAML

    try:
        read = yaml.safe_load(text)
    except yaml.YAMLError:
        return None
    launcher = (read if isinstance(read, dict) else {}).get("run_launcher")
    if not isinstance(launcher, dict) or str(launcher.get("module")).partition(".")[0] not in _CONTAINERS:
        return None
    return f"{launcher['module']}.{launcher.get('class')}"
