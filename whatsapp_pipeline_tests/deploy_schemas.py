"""The keys that deploy/'s files may have: of Docker Compose and of the values of Dagster's Helm chart.

What belongs here: the part of both formats that deploy/ uses, so that a misspelt key is an error. A key
that the format knows and deploy/ does not use yet is added here when it is used. What does not: what the
values mean (deploy_problems).

Neither the schema of Compose nor Dagster's chart is in a package index. The keys are those of Compose's
specification and of the chart's own list of values.
"""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]

_TEXT: Schema = {"type": "string"}
_SWITCH: Schema = {"type": "boolean"}
_COUNT: Schema = {"type": "integer", "minimum": 0}
_SIZE: Schema = {"type": "string", "pattern": r"^\d+[kmg]$"}
# The specification's form of a duration: 1h5m30s20ms.
_DURATION: Schema = {"type": "string", "pattern": r"^(\d+h)?(\d+m)?(\d+s)?(\d+ms)?$", "minLength": 2}


def _object(required: tuple[str, ...] = (), /, **properties: Schema) -> Schema:
    return {
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
        "required": list(required),
    }


def _list(of: Schema) -> Schema:
    return {"type": "array", "items": of, "uniqueItems": True}


def _named(of: Schema) -> Schema:
    return {"type": "object", "additionalProperties": of}


_COMMAND: Schema = {"oneOf": [_TEXT, {"type": "array", "items": _TEXT, "minItems": 1}]}
_SERVICE: Schema = _object(
    (),
    image=_TEXT,
    build=_object((), context=_TEXT, dockerfile=_TEXT),
    command=_COMMAND,
    environment=_named(_TEXT),
    restart={"enum": ["no", "always", "on-failure", "unless-stopped"]},
    init=_SWITCH,
    read_only=_SWITCH,
    cap_drop=_list(_TEXT),
    security_opt=_list(_TEXT),
    tmpfs=_list(_TEXT),
    volumes=_list({"type": "string", "pattern": "^[a-z]+:/"}),
    secrets=_list(_TEXT),
    configs=_list(_object(("source", "target"), source=_TEXT, target=_TEXT)),
    depends_on=_named(
        _object(
            ("condition",),
            condition={"enum": ["service_started", "service_healthy", "service_completed_successfully"]},
        )
    ),
    deploy=_object(
        (),
        replicas=_COUNT,
        resources=_object(
            (), limits=_object((), cpus={"type": "string", "pattern": r"^[\d.]+$"}, memory=_SIZE)
        ),
    ),
    extra_hosts=_named(_TEXT),
    healthcheck=_object(
        (),
        disable=_SWITCH,
        test={"type": "array", "items": _TEXT, "minItems": 2},
        interval=_DURATION,
        timeout=_DURATION,
        start_period=_DURATION,
        retries=_COUNT,
    ),
    ports=_list(_TEXT),
    shm_size=_SIZE,
    stop_grace_period=_DURATION,
)
COMPOSE: Schema = {
    **_object(
        ("services",),
        name={"type": "string", "pattern": "^[a-z0-9][a-z0-9_-]*$"},
        services=_named(_SERVICE),
        networks=_named(_object((), ipam=_object((), config=_list(_object((), subnet=_TEXT))))),
        configs=_named(_object(("file",), file=_TEXT)),
        secrets=_named(_object(("file",), file=_TEXT)),
        volumes=_named({"type": "null"}),
    ),
    "patternProperties": {"^x-": {}},
}

_ANY: Schema = {"type": "object"}
_REFERENCES = _list(_object(("name",), name=_TEXT))
_IMAGE = _object(
    ("repository", "tag", "pullPolicy"),
    repository=_TEXT,
    tag=_TEXT,
    pullPolicy={"enum": ["Always", "IfNotPresent", "Never"]},
)
_ENABLED = _object(("enabled",), enabled=_SWITCH)
_PROBE = _object(
    ("httpGet",),
    httpGet=_object(("path", "port"), path=_TEXT, port=_COUNT),
    periodSeconds=_COUNT,
    timeoutSeconds=_COUNT,
    failureThreshold=_COUNT,
)
_POD: dict[str, Schema] = {
    "image": _IMAGE,
    "envSecrets": _REFERENCES,
    "envConfigMaps": _REFERENCES,
    "podSecurityContext": _ANY,
    "securityContext": _ANY,
    "resources": _object((), requests=_ANY, limits=_ANY),
}
_DAYS = {"type": "integer", "minimum": -1}
CHART: Schema = _object(
    (),
    dagsterWebserver=_object(
        (),
        **_POD,
        workspace=_object(("enabled",), enabled=_SWITCH, externalConfigmap=_TEXT),
        service=_object((), type=_TEXT, port=_COUNT),
        readinessProbe=_PROBE,
    ),
    dagsterDaemon=_object(
        ("enabled",),
        **_POD,
        enabled=_SWITCH,
        runCoordinator=_object(
            ("enabled", "type", "config"),
            enabled=_SWITCH,
            type={"enum": ["QueuedRunCoordinator", "CustomRunCoordinator"]},
            config=_object(
                (), queuedRunCoordinator=_object((), maxConcurrentRuns=_COUNT, dequeueIntervalSeconds=_COUNT)
            ),
        ),
        runMonitoring=_object(
            ("enabled",),
            enabled=_SWITCH,
            startTimeoutSeconds=_COUNT,
            cancelTimeoutSeconds=_COUNT,
            pollIntervalSeconds=_COUNT,
        ),
        runRetries=_object(("enabled",), enabled=_SWITCH, maxRetries=_COUNT, retryOnAssetOrOpFailure=_SWITCH),
    ),
    **{
        "dagster-user-deployments": _object(
            ("enabled", "enableSubchart", "deployments"),
            enabled=_SWITCH,
            enableSubchart=_SWITCH,
            deployments={
                "type": "array",
                "items": _object(
                    ("name", "image", "port"),
                    **_POD,
                    name=_TEXT,
                    codeServerArgs={"type": "array", "items": _TEXT},
                    port=_COUNT,
                    includeConfigInLaunchedRuns=_ENABLED,
                ),
            },
        )
    },
    runLauncher=_object(
        ("type", "config"),
        type={"enum": ["K8sRunLauncher", "CeleryK8sRunLauncher", "CustomRunLauncher"]},
        config=_object((), k8sRunLauncher=_ANY),
    ),
    postgresql=_object(
        ("enabled",),
        enabled=_SWITCH,
        postgresqlHost=_TEXT,
        postgresqlUsername=_TEXT,
        postgresqlDatabase=_TEXT,
        postgresqlScheme=_TEXT,
    ),
    generatePostgresqlPasswordSecret=_SWITCH,
    generateCeleryConfigSecret=_SWITCH,
    rabbitmq=_ENABLED,
    redis=_object((), enabled=_SWITCH, internal=_SWITCH),
    flower=_ENABLED,
    computeLogManager=_object(
        ("type",),
        type={
            "enum": [
                "NoOpComputeLogManager",
                "LocalComputeLogManager",
                "S3ComputeLogManager",
                "GCSComputeLogManager",
                "AzureBlobComputeLogManager",
                "CustomComputeLogManager",
            ]
        },
        config=_ANY,
    ),
    telemetry=_ENABLED,
    retention=_object(
        ("enabled",),
        enabled=_SWITCH,
        schedule=_object((), purgeAfterDays=_DAYS),
        sensor=_object(
            (), purgeAfterDays=_object((), skipped=_DAYS, failure=_DAYS, success=_DAYS, started=_DAYS)
        ),
    ),
    pythonLogs=_object(
        (), pythonLogLevel=_TEXT, managedPythonLoggers=_list(_TEXT), dagsterHandlerConfig=_ANY
    ),
)
