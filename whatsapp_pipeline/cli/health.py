"""The health of the processes that `serve` runs: a page for people, and JSON for a monitoring probe.

What belongs here: requests that show whether the processes work, and serving the results. What does not: the
page itself (templates/health.html), and restarting a process (supervisor.py).
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Literal

import requests

from whatsapp_pipeline.cli.supervisor import ServiceState
from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline.store.connection import connect

_SECONDS = 5
_QUERIES = {
    "code location": """
        { workspaceOrError { ... on Workspace { locationEntries {
            loadStatus locationOrLoadError { __typename } } } } }""",
    "daemons": "{ instance { daemonHealth { allDaemonStatuses { daemonType required healthy } } } }",
}


@dataclass(frozen=True, slots=True)
class Probe:
    """A request that shows whether a service works: for a page, or to Dagster's GraphQL."""

    url: str
    asks: Literal["page", "code location", "daemons"] = "page"


@dataclass(frozen=True, slots=True)
class Health:
    """The state of one part.

    Attributes:
        name: The service, or `database`.
        ok: True if the part works.
        problem: The reason why the part does not work; empty if it works.
        pid: Process id, if the part is a service that runs.
        restarts: Number of restarts of the service.
        since: Time of the last start or end of the service's process.
    """

    name: str
    ok: bool
    problem: str = ""
    pid: int | None = None
    restarts: int = 0
    since: datetime | None = None


def examine(states: Sequence[ServiceState], probes: Mapping[str, Probe], database: str) -> list[Health]:
    """Return the health of every part. All parts are requested at the same time.

    A part that does not answer within some seconds is reported as not working.
    """
    with ThreadPoolExecutor(max_workers=len(states) + 1) as pool:
        asked = pool.submit(_examine_database, database)
        found = list(pool.map(lambda state: _examine_service(state, probes.get(state.name)), states))
        return [*found, asked.result()]


def _examine_service(state: ServiceState, probe: Probe | None) -> Health:
    problem = ""
    if state.state != "running":
        problem = (
            "the process is starting" if state.state == "starting" else "the process ended; it is restarted"
        )
    elif probe is not None:
        problem = _ask(probe)
    since = datetime.fromtimestamp(state.since, UTC) if state.since else None
    return Health(state.name, not problem, problem, state.pid, state.restarts, since)


def _examine_database(url: str) -> Health:
    try:
        with connect(url, application_name="whatsapp-pipeline health"):
            return Health("database", True)
    except PipelineError as error:
        return Health("database", False, str(error))


def _ask(probe: Probe) -> str:
    """Return the error in the answer of a service; empty if there is none."""
    try:
        if probe.asks == "page":
            # The certificate is not verified: it is for the console's public name, but this request goes to
            # loopback.
            answer = requests.get(probe.url, timeout=_SECONDS, verify=False)  # noqa: S501
            return "" if answer.status_code < 500 else f"it answered with status {answer.status_code}"
        answer = requests.post(probe.url, json={"query": _QUERIES[probe.asks]}, timeout=_SECONDS)
        if answer.status_code >= 500:
            return f"Dagster answered with status {answer.status_code}; its database may be down"
        data = answer.json()["data"]
        return _code_location_problem(data) if probe.asks == "code location" else _daemon_problem(data)
    except requests.RequestException as error:
        return f"the service did not answer ({type(error).__name__})"
    except (ValueError, KeyError, TypeError, AttributeError):  # GraphQL answers null if a field failed
        return "Dagster's answer has no data; its database may be down"


def _code_location_problem(data: Any) -> str:  # noqa: ANN401  # GraphQL's answer
    entries = data["workspaceOrError"].get("locationEntries", [])
    kinds = {(one["locationOrLoadError"] or {}).get("__typename") for one in entries}
    if kinds == {"RepositoryLocation"}:
        return ""
    return "Dagster could not load the definitions; its page Deployment shows why"


def _daemon_problem(data: Any) -> str:  # noqa: ANN401  # GraphQL's answer
    daemons = data["instance"]["daemonHealth"]["allDaemonStatuses"]
    silent = sorted(one["daemonType"].lower() for one in daemons if one["required"] and not one["healthy"])
    return f"no recent heartbeat of: {', '.join(silent)}" if silent else ""


class HealthServer:
    """Serves the page on loopback, in a thread: `/` for people and `/health` as JSON.

    The status is 503 if a part does not work.
    """

    def __init__(
        self,
        port: int,
        states: Callable[[], Sequence[ServiceState]],
        probes: Mapping[str, Probe],
        database: str,
    ) -> None:
        """Bind the port. Requests are answered inside the `with` block."""

        def examined() -> list[Health]:
            return examine(states(), probes, database)

        handler = type("_BoundHandler", (_HealthHandler,), {"examined": staticmethod(examined)})
        self._server = ThreadingHTTPServer(("127.0.0.1", port), handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> HealthServer:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop answering."""
        self._server.shutdown()
        self._server.server_close()


class _HealthHandler(BaseHTTPRequestHandler):
    timeout = 10  # seconds in which a client must send its request
    examined: Callable[[], list[Health]]

    def do_GET(self) -> None:
        """Answer `/` and `/health`."""
        if self.path not in {"/", "/health"}:
            self.send_error(404)
            return
        found = self.examined()
        ok = all(part.ok for part in found)
        if self.path == "/health":
            parts = [{**asdict(part), "since": part.since and part.since.isoformat()} for part in found]
            self._answer(ok, "application/json", json.dumps({"ok": ok, "parts": parts}))
        else:
            from whatsapp_pipeline.templates.render import render

            self._answer(ok, "text/html; charset=utf-8", render("health.html", ok=ok, parts=found))

    def _answer(self, ok: bool, kind: str, body: str) -> None:
        data = body.encode()
        self.send_response(200 if ok else 503)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the name in the base class
        """Write nothing, because a monitoring probe may send a request every few seconds."""
