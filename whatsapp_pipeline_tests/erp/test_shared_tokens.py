"""Tokens in the database: hosts with a disk each, one ERP, and dumps and roles that see no token."""

from __future__ import annotations

import json
import logging
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from click.testing import CliRunner
from psycopg.conninfo import make_conninfo

from whatsapp_pipeline.cli import cli
from whatsapp_pipeline.cli.erp import erp
from whatsapp_pipeline.erp.shared_token_store import SharedTokenStore
from whatsapp_pipeline.erp.token_store import Tokens, TokenStore
from whatsapp_pipeline.erp.tokens import AccessTokens, Credentials, TokenError
from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline.sandbox.erp_server import TOKEN_PATH, ErpSandbox, Fault, serving
from whatsapp_pipeline.steps.operations import backup
from whatsapp_pipeline.store import grants
from whatsapp_pipeline.store.connection import connect
from whatsapp_pipeline.store.contacts import erp_tokens
from whatsapp_pipeline.store.pg_tools import find_programs
from whatsapp_pipeline_tests.erp import worlds
from whatsapp_pipeline_tests.erp.killed_refresh import killed_refreshes

LOG = logging.getLogger(__name__)

# One process on one host: it says "ready", waits for a line, and refreshes the token that it was refused.
_HOST = """
import sys
from pathlib import Path
from whatsapp_pipeline.erp.shared_token_store import SharedTokenStore
from whatsapp_pipeline.erp.token_store import TokenStore
from whatsapp_pipeline.erp.tokens import AccessTokens, Credentials
url, database, folder, refused = sys.argv[1:]
disk = Path(folder)
store = SharedTokenStore(database, TokenStore(disk / "tiny_tokens.json"), host=disk.name)
tokens = AccessTokens(store, Credentials(url, "client", "secret"))
print("ready", flush=True)
sys.stdin.readline()
print(tokens.renew(refused))
"""


_END_LOCKS = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE datname = current_database() AND application_name = 'whatsapp-pipeline ERP tokens'"
)


@pytest.fixture
def sandbox() -> ErpSandbox:
    return worlds.sandbox(5)


@pytest.fixture
def base(sandbox: ErpSandbox) -> Iterator[str]:
    with serving(sandbox) as url:
        yield url


class Host:
    """A host with a disk of its own."""

    def __init__(self, disk: Path, base: str, database: str) -> None:
        disk.mkdir()
        self.disk, self.base, self.database = disk, base, database

    def store(self) -> SharedTokenStore:
        return SharedTokenStore(
            self.database, TokenStore(self.disk / "tiny_tokens.json"), host=self.disk.name
        )

    def tokens(self) -> AccessTokens:
        credentials = Credentials(self.base + TOKEN_PATH, "client", "hidden-secret")
        return AccessTokens(self.store(), credentials, clock=worlds.FakeClock())

    def process(self, refused: str, program: str = _HOST) -> subprocess.Popen[str]:
        started = subprocess.Popen(
            [sys.executable, "-c", program, self.base + TOKEN_PATH, self.database, str(self.disk), refused],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert started.stdout is not None
        assert started.stdout.readline() == "ready\n"
        return started

    def files(self) -> set[str]:
        return {path.name for path in self.disk.iterdir()}


@pytest.fixture
def hosts(tmp_path: Path, base: str, fresh_database_url: str) -> list[Host]:
    return [Host(tmp_path / name, base, fresh_database_url) for name in ("worker-1", "worker-2")]


def _saved(url: str) -> erp_tokens.SavedTokens:
    with connect(url) as conn:
        saved = erp_tokens.read_tokens(conn)
    assert saved is not None
    return saved


def _given(sandbox: ErpSandbox, host: Host, *, expires_at: float = 4e9) -> None:
    """Put a pair into the database that the sandbox knows."""
    sandbox.access_tokens.add("access-0")
    sandbox.refresh_tokens.add("refresh-0")
    with host.store().lock():
        host.store().save(Tokens("access-0", "refresh-0", expires_at))


def test_two_hosts_that_are_refused_at_once_refresh_once(sandbox: ErpSandbox, hosts: list[Host]) -> None:
    _given(sandbox, hosts[0])
    sandbox.access_tokens.clear()
    sandbox.faults = [Fault("slow", TOKEN_PATH, seconds=0.3)]  # the other one waits for the lock meanwhile
    processes = [host.process("access-0") for host in hosts]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    answers = {process.communicate(timeout=30)[0].strip() for process in processes}
    assert len(answers) == 1
    assert answers <= sandbox.access_tokens
    assert sandbox.token_requests == ["refresh_token"]
    saved = _saved(hosts[0].database)
    assert {saved.access_token} == answers
    assert {saved.refresh_token} == sandbox.refresh_tokens
    assert saved.refreshing_on is None


def test_requests_of_one_client_ask_the_database_once(sandbox: ErpSandbox, hosts: list[Host]) -> None:
    """The client asks for a token before each request; another host's refresh reaches it by a refusal."""
    _given(sandbox, hosts[0])
    first, second = (host.tokens() for host in hosts)
    assert (first.get(), second.get()) == ("access-0", "access-0")
    renewed = second.renew("access-0")
    with psycopg.connect(hosts[0].database, autocommit=True) as conn:
        conn.execute("ALTER TABLE pipeline_erp_tokens RENAME TO away")
        assert first.get() == "access-0"
        conn.execute("ALTER TABLE away RENAME TO pipeline_erp_tokens")
    assert first.renew("access-0") == renewed
    assert sandbox.token_requests == ["refresh_token"]


def test_the_token_file_of_one_machine_moves_into_the_database_once(
    sandbox: ErpSandbox, hosts: list[Host]
) -> None:
    sandbox.access_tokens.add("access-0")
    sandbox.refresh_tokens.add("refresh-0")
    file = TokenStore(hosts[0].disk / "tiny_tokens.json")
    file.save(Tokens("access-0", "refresh-0", 4e9, 4e9))
    assert hosts[0].tokens().get() == "access-0"
    assert hosts[0].files() == {"tiny_tokens.lock"}
    assert hosts[1].tokens().get() == "access-0"
    # A file that comes later, from an old backup of the disk for example, is not read.
    file.save(Tokens("stale", "stale", 4e9))
    assert hosts[0].tokens().get() == "access-0"
    assert _saved(hosts[0].database).refresh_expires_at == 4e9


def test_the_answer_of_a_killed_refresh_moves_with_the_file(sandbox: ErpSandbox, hosts: list[Host]) -> None:
    file = TokenStore(hosts[0].disk / "tiny_tokens.json")
    file.save(Tokens("old", "spent", 0))
    answer = {"access_token": "new", "refresh_token": "next", "expires_in": 4e9}
    file.answer_path.write_text(json.dumps(answer))
    assert hosts[0].tokens().get() == "new"
    assert _saved(hosts[0].database).refresh_token == "next"
    assert hosts[0].files() == {"tiny_tokens.lock"}
    assert sandbox.token_requests == []


# Killed as soon as the answer is on the disk: the database still has the old pair.
_KILLED = _HOST.replace(
    "url, database",
    """
import os, signal
from whatsapp_pipeline.erp import token_store
keep = token_store.TokenRoom.keep
def keep_and_die(self, body):
    keep(self, body)
    os.kill(os.getpid(), signal.SIGKILL)
token_store.TokenRoom.keep = keep_and_die
url, database""",
    1,
)


def _kill_while_refreshing(host: Host) -> None:
    process = host.process("access-0", _KILLED)
    process.communicate("go\n", timeout=30)
    assert process.returncode == -signal.SIGKILL


def test_a_host_that_was_killed_saves_the_new_pair_when_it_is_back(
    sandbox: ErpSandbox, hosts: list[Host]
) -> None:
    _given(sandbox, hosts[0])
    _kill_while_refreshing(hosts[0])
    assert "refresh-0" not in sandbox.refresh_tokens
    # The other host can't refresh, and names the host whose disk has the pair.
    with pytest.raises(
        TokenError, match=r"the host worker-1 was interrupted .* `whatsapp-pipeline erp status`"
    ):
        hosts[1].tokens().renew("access-0")
    assert hosts[0].tokens().renew("access-0") in sandbox.access_tokens
    assert hosts[0].files() == set()
    saved = _saved(hosts[0].database)
    assert saved.refresh_token in sandbox.refresh_tokens
    assert hosts[1].tokens().renew("access-0") == saved.access_token


def test_an_answer_that_another_host_has_overtaken_is_thrown_away(
    sandbox: ErpSandbox, hosts: list[Host]
) -> None:
    _given(sandbox, hosts[0])
    _kill_while_refreshing(hosts[0])
    hosts[1].tokens().exchange_code("sandbox-code", "http://localhost")
    newest = _saved(hosts[0].database)
    assert hosts[0].tokens().renew("access-0") == newest.access_token
    assert hosts[0].files() == set()
    assert _saved(hosts[0].database) == newest


def test_a_refusal_leaves_no_sign_of_an_interrupted_refresh(sandbox: ErpSandbox, hosts: list[Host]) -> None:
    _given(sandbox, hosts[0])
    sandbox.faults = [Fault("status", TOKEN_PATH, status=401, body='{"error": "invalid_client"}')]
    with pytest.raises(TokenError, match="TINY_CLIENT_SECRET"):
        hosts[0].tokens().renew("access-0")
    assert _saved(hosts[0].database).refreshing_on is None
    assert hosts[1].tokens().renew("access-0") in sandbox.access_tokens


def test_a_database_that_cannot_be_written_is_noticed_before_the_token_is_spent(
    sandbox: ErpSandbox, hosts: list[Host]
) -> None:
    _given(sandbox, hosts[0])
    standby = make_conninfo(hosts[0].database, options="-c default_transaction_read_only=on")
    host = hosts[1]
    host.database = standby
    message = r"failed to read or write .*ReadOnlySqlTransaction.* saved ones are kept"
    with pytest.raises(PipelineError, match=message):
        host.tokens().renew("access-0")
    assert sandbox.token_requests == []
    assert hosts[0].tokens().renew("access-0") in sandbox.access_tokens


def test_a_pair_is_saved_when_the_connection_was_lost_meanwhile(
    sandbox: ErpSandbox, hosts: list[Host]
) -> None:
    _given(sandbox, hosts[0])
    store = hosts[0].store()
    with connect(hosts[0].database) as admin, store.lock(), store.room() as room:
        admin.execute(_END_LOCKS)
        room.save(Tokens("access-1", "refresh-1", 4e9))
    assert _saved(hosts[0].database).refresh_token == "refresh-1"


def test_no_refresh_begins_when_the_lock_is_lost(sandbox: ErpSandbox, hosts: list[Host]) -> None:
    """Another process of the host has the lock then, and its answer may be the only copy of a pair."""
    _given(sandbox, hosts[0])
    late, running = hosts[0].store(), hosts[0].store()
    with connect(hosts[0].database) as admin, late.lock():
        admin.execute(_END_LOCKS)
        with pytest.raises(PipelineError, match="saved ones are kept"):
            late.load()
        with running.lock(), running.room() as room:
            room.keep(b'{"access_token": "new"}')
            with pytest.raises(PipelineError, match=r"locks the ERP's tokens was lost.*run again"):
                late.room().__enter__()
            kept = room.kept()
            assert kept is not None
            assert kept.body == b'{"access_token": "new"}'
            assert _saved(hosts[0].database).refreshing_on == "worker-1"
    with pytest.raises(PipelineError, match=r"locks the ERP's tokens was lost"):
        late.room().__enter__()  # without a lock at all


_SMALL_DISK = _HOST.replace(
    "url, database",
    """
import resource, signal
from whatsapp_pipeline.erp import tokens as tokens_of_erp
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))  # as a full disk: no file grows beyond 100 bytes
url, database""",
    1,
).replace(
    "print(tokens.renew(refused))",
    """
try:
    tokens.renew(refused)
except tokens_of_erp.TokenError as error:
    print(error)
""",
)


def test_a_full_disk_leaves_no_sign_of_an_interrupted_refresh(sandbox: ErpSandbox, hosts: list[Host]) -> None:
    _given(sandbox, hosts[0])
    said, _ = hosts[0].process("access-0", _SMALL_DISK).communicate("go\n", timeout=30)
    assert "could not be saved in the database" in said
    assert sandbox.token_requests == []
    assert hosts[0].files() == set()
    assert _saved(hosts[0].database).refreshing_on is None


def test_a_dump_holds_no_token_and_a_restore_keeps_the_current_ones(
    sandbox: ErpSandbox, hosts: list[Host], tmp_path: Path
) -> None:
    url = hosts[0].database
    _given(sandbox, hosts[0])
    options = backup.BackupOptions(tmp_path / "backups")
    taken = backup.take(url, options, reason="test", log=LOG)
    assert taken.verified == "restored"
    with connect(url) as conn:
        programs = find_programs(conn.info.server_version // 10000, None)
    text = subprocess.run(
        [programs.path("pg_restore"), "--file=-", str(options.folder / taken.file)],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "CREATE TABLE public.pipeline_erp_tokens" in text
    assert "COPY public.pipeline_erp_tokens" not in text
    assert "COPY public.erp_passes" in text
    assert "access-0" not in text
    assert "refresh-0" not in text
    renewed = hosts[0].tokens().renew("access-0")
    backup.restore(url, taken, options, overwrite=True, log=LOG)
    assert _saved(url).access_token == renewed
    assert hosts[1].tokens().get() == renewed


def test_a_reader_is_refused_and_a_runner_is_not(sandbox: ErpSandbox, hosts: list[Host]) -> None:
    url, suffix = hosts[0].database, uuid4().hex[:8]
    _given(sandbox, hosts[0])
    logins = {
        role: f"{role}_{suffix}" for role in (grants.READER, grants.ANALYST, grants.CONSOLE, grants.WRITER)
    }
    with connect(url) as conn:
        assert grants.apply(conn) == []
        for role, login in logins.items():
            conn.execute(f"CREATE ROLE {login} LOGIN PASSWORD 'x' IN ROLE {role}".encode())
    try:
        for role, login in logins.items():
            hosts[1].database = make_conninfo(url, user=login, password="x")
            if role == grants.WRITER:
                assert hosts[1].tokens().renew("access-0") in sandbox.access_tokens
            else:
                with pytest.raises(PipelineError, match="this role may not read the ERP's tokens"):
                    hosts[1].tokens().get()
    finally:
        with connect(url) as conn:
            for login in logins.values():
                conn.execute(f"DROP ROLE {login}".encode())
            for role in grants.ROLES:
                conn.execute(f"DROP OWNED BY {role}".encode())
                conn.execute(f"DROP ROLE {role}".encode())


def test_the_commands_of_several_hosts_share_the_tokens(
    sandbox: ErpSandbox, base: str, fresh_database_url: str, tmp_path: Path
) -> None:
    environment = {
        "TINY_CLIENT_ID": "client",
        "TINY_CLIENT_SECRET": "secret",
        "TINY_TOKEN_URL": base + TOKEN_PATH,
        "TINY_BASE_URL": base + "/public-api/v3",
        "DATABASE_URL": fresh_database_url,
        "SEVERAL_HOSTS": "1",
    }
    runner = CliRunner()
    here = {**environment, "PIPELINE_LOCAL_DIR": str(tmp_path / "a"), "PIPELINE_HOST_NAME": "worker-1"}
    done = runner.invoke(erp, ["authorize", "--code", "sandbox-code"], env=here)
    assert done.exit_code == 0, done.output
    assert "The tokens are in the database" in done.output
    there = {**environment, "PIPELINE_LOCAL_DIR": str(tmp_path / "b"), "PIPELINE_HOST_NAME": "worker-2"}
    shown = runner.invoke(cli, ["erp", "status", "--erp", "tiny"], env=there)
    assert shown.exit_code == 0, shown.output
    assert "contacts  B: 2" in shown.output
    assert sandbox.token_requests == ["authorization_code"]
    files = [path.name for path in tmp_path.rglob("*") if path.is_file()]
    assert not any("token" in name for name in files), files


def test_a_database_that_is_not_migrated_is_named(empty_database_url: str, base: str, tmp_path: Path) -> None:
    host = Host(tmp_path / "worker-1", base, empty_database_url)
    with pytest.raises(PipelineError, match="run `whatsapp-pipeline migrate`"):
        host.tokens().get()


@pytest.mark.slow
def test_a_kill_after_the_answer_loses_no_more_tokens_than_on_one_machine(
    sandbox: ErpSandbox, hosts: list[Host]
) -> None:
    """The process is killed before each line that it runs after the answer; the host then goes on."""
    host = hosts[0]
    lost, line, status = [], 0, -signal.SIGKILL
    with killed_refreshes(host.base + TOKEN_PATH, host.disk / "tiny_tokens.json", host.database) as kill_at:
        while status == -signal.SIGKILL:
            line += 1
            _given(sandbox, host, expires_at=0)
            status = kill_at(line)
            keeper = host.tokens()
            try:
                assert keeper.renew(keeper.get()) in sandbox.access_tokens
                assert host.files() == set()
            except TokenError:
                lost.append(line)
            sandbox.access_tokens.clear()
            sandbox.refresh_tokens.clear()
    assert status == 0
    assert line > 40
    # Until the answer is written down it exists in the process alone: the few lines up to there, as on one
    # machine (test_tokens.py).
    assert lost == list(range(1, len(lost) + 1))
    assert len(lost) <= 6
