"""The project's own processes on the hosts of a cluster, started with the commands of deploy/compose.yaml.

What belongs here: the roles with their environment, and runs that are launched through them. What does not:
the servers of other people (servers.py), and what is loaded.
"""

from __future__ import annotations

import os
import shutil
import socket
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import requests
import yaml

from bench.cluster.hosts import (
    ClusterHost,
    HostNetwork,
    HostProcess,
    await_that,
    blank_environment,
    host_network,
)
from bench.cluster.servers import BrokerHost, DatabaseHost, StoreHost
from whatsapp_pipeline.settings import PROJECT_ROOT
from whatsapp_pipeline_tests.archive.object_server import BUCKET, environment, free_ports

if TYPE_CHECKING:
    import dagster as dg

    from whatsapp_pipeline.automation.launching import LaunchedRuns

_BIN = Path(sys.executable).parent
PREFIX = "organized_whatsapp_chats"
"""The folder of the archive in the bucket."""
DATABASE = "company"
WORKSTATION = "workstation"
_CELERY_APP = "whatsapp_pipeline.resources.celery_workers"
_LOCATION = "{workspaceOrError{... on Workspace{locationEntries{locationOrLoadError{__typename}}}}}"
_START_SECONDS = 240
_STOP_SECONDS = 30


@dataclass(frozen=True, slots=True)
class ClusterOptions:
    """How large a cluster is.

    Attributes:
        first_month: FIRST_MONTH of every host.
        workers: How many workers are started at first.
        most_runs: How many runs the daemon lets execute at once; None for as many as `workers`.
        poll_seconds: How often the daemon looks for lost runs; None for what deploy/dagster/celery.yaml has.
        lost_host_seconds: When both ends of a database connection give up a host that is cut off; None for
            the pipeline's own limits, a minute.
        pages: The folder of the ERP's saved pages; each worker gets a copy on its disk.
        serves: Which of the receiver and the console are started.
    """

    first_month: str
    pages: Path
    workers: int = 2
    most_runs: int | None = None
    poll_seconds: int | None = None
    lost_host_seconds: int | None = None
    serves: tuple[str, ...] = ("receiver", "console")


@dataclass(slots=True)
class RunningCluster:
    """A started cluster: its hosts, and how an administrator reaches them."""

    options: ClusterOptions
    network: HostNetwork
    database: DatabaseHost
    store: StoreHost
    broker: BrokerHost
    ports: dict[str, int]
    workers: dict[str, HostProcess] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """The URL of the pipeline's database, with the limits for lost hosts."""
        url = self.database.url(DATABASE)
        if (seconds := self.options.lost_host_seconds) is None:
            return url
        limits = {
            "keepalives_idle": seconds // 3,
            "keepalives_interval": seconds // 3,
            "keepalives_count": 2,
            "tcp_user_timeout": seconds * 1000,
        }
        return f"{url}?{urlencode(limits)}"

    @property
    def web(self) -> str:
        """The address of Dagster's UI."""
        return f"http://{self.network.host('webserver').address}:{self.ports['webserver']}"

    def environment(self, host: ClusterHost, disk: Path | None = None) -> dict[str, str]:
        """Return the variables of the project's programs on a host whose disk is at `disk`."""
        disk = disk or host.disk
        return {
            **blank_environment(disk),
            "DATABASE_URL_FILE": str(disk / "secrets" / "database_url"),
            "PRIVACY_KEY_FILE": str(disk / "secrets" / "privacy_key"),
            "SEVERAL_HOSTS": "1",
            "CHAT_ARCHIVE": f"s3://{BUCKET}/{PREFIX}",
            **environment(self.store.port, self.store.host.address),
            "CELERY_BROKER_URL": self.broker.url(0),
            "CELERY_RESULT_BACKEND": self.broker.url(1),
            "DAGSTER_HOME": str(disk / "dagster"),
            "DAGSTER_UI_URL": self.web,
            "PIPELINE_LOCAL_DIR": str(disk / "local"),
            "BACKUP_BEFORE_WRITE": "false",
            "FIRST_MONTH": self.options.first_month,
            "ERP": str(disk / "erp"),
        }

    def prepare(self, name: str) -> ClusterHost:
        """Return a host with the secrets, the instance and the workspace on its disk."""
        host = self.network.host(name)
        for folder in ("secrets", "dagster", "local", "tmp"):
            (host.outside / folder).mkdir(exist_ok=True)
        (host.outside / "secrets" / "database_url").write_text(self.url)
        (host.outside / "secrets" / "privacy_key").write_text("a-key-of-all-the-hosts")
        (host.outside / "dagster" / "dagster.yaml").write_text(yaml.safe_dump(self._instance()))
        server = {
            "host": self.network.host("code").address,
            "port": self.ports["code"],
            "location_name": "whatsapp_pipeline",
        }
        workspace = yaml.safe_dump({"load_from": [{"grpc_server": server}]})
        (host.outside / "workspace.yaml").write_text(workspace)
        return host

    def _instance(self) -> dict[str, Any]:
        """Return deploy/dagster/celery.yaml with the size of this cluster."""
        instance: dict[str, Any] = yaml.safe_load((PROJECT_ROOT / "deploy/dagster/celery.yaml").read_text())
        most = self.options.most_runs or self.options.workers
        instance["concurrency"]["runs"]["max_concurrent_runs"] = most
        if self.options.poll_seconds is not None:
            instance["run_monitoring"]["poll_interval_seconds"] = self.options.poll_seconds
        return instance

    def start_role(
        self,
        name: str,
        command: Sequence[str],
        more: Mapping[str, str] | None = None,
        *,
        cwd: Path = PROJECT_ROOT,
    ) -> HostProcess:
        """Start one of this project's programs on the host of its name."""
        host = self.prepare(name)
        program = [str(_BIN / command[0]), *command[1:]]
        return host.start(name, program, {**self.environment(host), **(more or {})}, cwd=cwd)

    def start_daemon(self, name: str) -> HostProcess:
        """Start Dagster's daemon on a host."""
        workspace = str(self.prepare(name).disk / "workspace.yaml")
        return self.start_role(name, ["dagster-daemon", "run", "--workspace", workspace])

    def limit_runs(self, most: int) -> None:
        """Let the daemon execute at most this many runs at once from now on. It is started again."""
        self.options = replace(self.options, most_runs=most)
        self.network.stop(["daemon"], _STOP_SECONDS)
        self.start_daemon("daemon")

    def start_worker(
        self, name: str, more: Mapping[str, str] | None = None, *, cwd: Path = PROJECT_ROOT
    ) -> HostProcess:
        """Start a worker on a host, with the ERP's pages on its disk."""
        host = self.prepare(name)
        if not (host.outside / "erp").exists():
            shutil.copytree(self.options.pages, host.outside / "erp")
        # `python -m` takes the code from the working folder.
        command = ["python", "-m", "celery", "-A", _CELERY_APP, "worker", "--queues", "dagster"]
        command += ["--concurrency", "1", "--loglevel", "INFO", "--hostname", f"celery@{name}"]
        self.workers[name] = self.start_role(name, command, more, cwd=cwd)
        return self.workers[name]

    def await_workers(self) -> None:
        """Return when every worker that was started takes runs."""
        for worker in self.workers.values():
            await_that(partial(_is_ready, worker), "a worker is not ready", 120, worker)

    def start(self) -> None:
        """Start every role and wait until each works."""
        command = [str(_BIN / "whatsapp-pipeline"), "migrate"]
        workstation = self.prepare(WORKSTATION)
        workstation.run(command, self.environment(workstation))
        host = self.network.host
        module = ["--module-name", "whatsapp_pipeline.definitions", "--location-name", "whatsapp_pipeline"]
        serve = ["dagster", "code-server", "start", "--host", host("code").address]
        code = self.start_role("code", [*serve, "--port", str(self.ports["code"]), *module])
        for number in range(1, self.options.workers + 1):
            self.start_worker(f"worker{number}")
        if "receiver" in self.options.serves:
            self._start_receiver()
        if "console" in self.options.serves:
            self._start_console()
        await_that(lambda: self._listens("code"), "no code server", _START_SECONDS, code)
        workspace = str(self.prepare("webserver").disk / "workspace.yaml")
        listen = ["--host", host("webserver").address, "--port", str(self.ports["webserver"])]
        web = self.start_role("webserver", ["dagster-webserver", *listen, "--workspace", workspace])
        daemon = self.start_daemon("daemon")
        await_that(self._is_loaded, "the code location was not loaded", _START_SECONDS, web, code, daemon)
        self.await_workers()

    def _listens(self, role: str) -> bool:
        place = (self.network.host(role).address, self.ports[role])
        with suppress(OSError), socket.create_connection(place, 5):
            return True
        return False

    def _is_loaded(self) -> bool:
        try:
            answer = requests.post(f"{self.web}/graphql", json={"query": _LOCATION}, timeout=30)
        except requests.ConnectionError:
            return False
        return "RepositoryLocation" in answer.text

    def _start_receiver(self) -> None:
        listen = ["--host", self.network.host("receiver").address, "--port", str(self.ports["receiver"])]
        secrets = {"WHATSAPP_APP_SECRET": "a-secret-of-the-cluster", "WHATSAPP_VERIFY_TOKEN": "a-word"}
        process = self.start_role("receiver", ["whatsapp-pipeline", "webhook", "serve", *listen], secrets)
        await_that(lambda: self._is_healthy("receiver"), "no receiver", _START_SECONDS, process)

    def _start_console(self) -> None:
        listen = ["--host", self.network.host("console").address, "--port", str(self.ports["console"])]
        proxies = {"CONSOLE_PROXIES": self.network.address, "CONSOLE_HOSTS": "console.example.com"}
        process = self.start_role("console", ["whatsapp-pipeline", "console", *listen], proxies)
        await_that(lambda: self._is_healthy("console"), "no console", _START_SECONDS, process)

    def _is_healthy(self, role: str) -> bool:
        address = f"http://{self.network.host(role).address}:{self.ports[role]}/health"
        try:
            # As the probes of deploy/kubernetes/ do: the console answers the names that it knows.
            return requests.get(address, headers={"Host": "localhost"}, timeout=10).status_code == 200
        except requests.ConnectionError:
            return False

    def command(
        self, *arguments: str, seconds: float = 900, on_line: Callable[[str], None] = lambda line: None
    ) -> str:
        """Run a command of the project on the administrator's workstation and return what it printed.

        `on_line` is called with each line as it comes.
        """
        host = self.prepare(WORKSTATION)
        program = str(_BIN / "whatsapp-pipeline")
        environment = self.environment(host)
        return host.run([program, *arguments], environment, seconds=seconds, on_line=on_line)

    @contextmanager
    def instance(self) -> Iterator[dg.DagsterInstance]:
        """Open the cluster's instance in this process, whose settings become those of the workstation."""
        import dagster

        host = self.prepare(WORKSTATION)
        os.environ.update(self.environment(host, host.outside))
        with dagster.DagsterInstance.from_config(str(host.outside / "dagster")) as instance:
            yield instance

    def runs(self, instance: dg.DagsterInstance) -> LaunchedRuns:
        """Return an empty collection of runs that are launched through the webserver."""
        from whatsapp_pipeline.automation.launching import LaunchedRuns

        return LaunchedRuns(instance, self.web)

    def stop(self) -> list[str]:
        """Stop all roles in order, then the servers; return the names of those that had to be killed."""
        names = list(self.network.hosts)
        servers = ["objects", "broker", "postgres"]
        killed = self.network.stop([name for name in names if name not in servers], _STOP_SECONDS)
        self.store.stop()  # it takes 15 seconds to stop on its own, and its data are thrown away
        return killed + self.network.stop(["broker", "postgres"], _STOP_SECONDS)


def _is_ready(worker: HostProcess) -> bool:
    return "ready." in worker.tail()


@contextmanager
def running_cluster(options: ClusterOptions) -> Iterator[RunningCluster]:
    """Start the servers of a cluster and all its roles; kill what still runs after the block."""
    with ExitStack() as stack:
        network = stack.enter_context(host_network())
        broker, store = BrokerHost(network.host("broker")), StoreHost(network.host("objects"))
        store.start()
        broker.start()
        database = DatabaseHost.start(network.host("postgres"))
        database.make(DATABASE)
        store.wait()
        names = ("code", "webserver", "receiver", "console")
        ports = dict(zip(names, free_ports(len(names)), strict=True))
        cluster = RunningCluster(options, network, database, store, broker, ports)
        cluster.start()
        yield cluster
