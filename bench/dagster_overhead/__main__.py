"""The overhead of Dagster, measured through its GraphQL API: `python -m bench.dagster_overhead`.

    python -m bench.dagster_overhead [--runs 3] [--month 2025-02]

Fills a database of the bench's own from the sample archive, then starts `whatsapp-pipeline up` so many times
and launches the month's job each time as the UI does. A headless run beside plain steps: bench.end_to_end.
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import requests

from bench.report import Row, measured, write
from whatsapp_pipeline import settings

PROGRAM = Path(sys.executable).parent / "whatsapp-pipeline"
JOB = "monthly_chats"
ENDED = {"SUCCESS", "FAILURE", "CANCELED"}
PATIENCE = 180

REPOSITORIES = "{ repositoriesOrError { ... on RepositoryConnection { nodes { name location { name } } } } }"
LAUNCH = """
mutation ($job: String!, $repository: String!, $location: String!, $tags: [ExecutionTag!]!) {
  launchRun(executionParams: {
    selector: {jobName: $job, repositoryName: $repository, repositoryLocationName: $location}
    runConfigData: {}, executionMetadata: {tags: $tags}
  }) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on PythonError { message }
  }
}
"""
STATUS = "query ($id: ID!) { runOrError(runId: $id) { ... on Run { status startTime endTime } } }"


def _import_seconds() -> float:
    code = "import dagster, time; t = time.perf_counter(); import whatsapp_pipeline.definitions; "
    code += "print(time.perf_counter() - t)"
    return float(
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    )


class Ui:
    """A started `up`, and its GraphQL."""

    def __init__(self, environment: dict[str, str]) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        self._process = subprocess.Popen(
            [str(PROGRAM), "up", "--port", str(self._port)],
            env=environment,
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def wait(self) -> dict[str, str]:
        """Wait until the code location is there; return how to address it."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            try:
                nodes = self.ask(REPOSITORIES)["repositoriesOrError"].get("nodes")
            except requests.RequestException:
                nodes = None
            if nodes:
                return {"repository": nodes[0]["name"], "location": nodes[0]["location"]["name"]}
            time.sleep(0.1)  # another process's start can only be asked for
        raise SystemExit("the UI did not come up")

    def ask(self, query: str, **variables: object) -> dict[str, Any]:
        """Send a query and return its data."""
        answer = requests.post(
            f"http://127.0.0.1:{self._port}/graphql",
            json={"query": query, "variables": variables},
            timeout=30,
        )
        data: dict[str, Any] = answer.json()["data"]
        return data

    def launch(self, address: dict[str, str], month: str) -> tuple[float, float]:
        """Launch the month's job; return seconds until it is done, and those between its start and end."""
        started = time.perf_counter()
        tags = [{"key": "dagster/partition", "value": month}]
        launched = self.ask(LAUNCH, job=JOB, tags=tags, **address)["launchRun"]
        if launched["__typename"] != "LaunchRunSuccess":
            raise SystemExit(f"not launched: {launched}")
        while True:
            run = self.ask(STATUS, id=launched["run"]["runId"])["runOrError"]
            if run["status"] in ENDED:
                break
            time.sleep(0.1)  # a run's end can only be asked for; a tenth is what the figure is good to
        if run["status"] != "SUCCESS":
            raise SystemExit(f"the run ended as {run['status']}")
        return time.perf_counter() - started, run["endTime"] - run["startTime"]

    def stop(self) -> None:
        """End it with all its children, as Ctrl-C does."""
        self._process.send_signal(signal.SIGINT)
        self._process.wait(60)


def main() -> None:
    """Run the bench and print its table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--month", default="2025-02")
    arguments = parser.parse_args()
    imports = [_import_seconds() for _ in range(5)]
    starts, launches, insides = [], [], []
    with tempfile.TemporaryDirectory(prefix="bd-") as folder:
        archive = settings.PROJECT_ROOT / "data" / "organized_whatsapp_chats"
        environment = {
            **os.environ,
            "PIPELINE_LOCAL_DIR": folder,
            "CHAT_ARCHIVE": str(archive),
            "DAGSTER_HOME": str(settings.PROJECT_ROOT),
            "WHATSAPP_ENABLED": "false",
        }
        environment.pop("DATABASE_URL", None)
        fill = [str(PROGRAM), "run", "--archive", str(archive), "--erp", "sandbox"]
        subprocess.run(fill, env=environment, check=True, capture_output=True)
        for _ in range(arguments.runs):
            started = time.perf_counter()
            ui = Ui(environment)
            try:
                address = ui.wait()
                starts.append(time.perf_counter() - started)
                done, inside = ui.launch(address, arguments.month)
            finally:
                ui.stop()
            launches.append(done)
            insides.append(inside)
    command = "python -m bench.dagster_overhead " + " ".join(sys.argv[1:])
    print(
        write(
            "dagster_overhead",
            "What Dagster adds",
            _rows(imports, starts, launches, insides),
            command=command.strip(),
        )
    )


def _rows(
    imports: list[float], starts: list[float], launches: list[float], insides: list[float]
) -> list[Row]:
    return [
        measured("definitions, beyond `import dagster`", "s", imports, note="target ≤ 0.5 s"),
        measured("`up` until the UI has the assets", "s", starts, note="target ≤ 15 s"),
        measured("a month's job, from launch to done", "s", launches, note="target ≤ 12 s"),
        measured("  of that between start and end", "s", insides),
    ]


if __name__ == "__main__":
    main()
