"""The token file: rotation, one refresher at a time, and what a dead token says."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from whatsapp_pipeline.cli.erp import erp
from whatsapp_pipeline.erp.token_store import Tokens, TokenStore
from whatsapp_pipeline.erp.tokens import AccessTokens, Credentials, TokenError
from whatsapp_pipeline.sandbox.erp_server import TOKEN_PATH, ErpSandbox, Fault, serving
from whatsapp_pipeline_tests.erp import worlds
from whatsapp_pipeline_tests.erp.killed_refresh import killed_refreshes

_RACER = """
import sys
from pathlib import Path
from whatsapp_pipeline.erp.token_store import TokenStore
from whatsapp_pipeline.erp.tokens import AccessTokens, Credentials
url, path, refused = sys.argv[1:]
tokens = AccessTokens(TokenStore(Path(path)), Credentials(url, "client", "secret"))
print("ready", flush=True)
sys.stdin.readline()
print(tokens.renew(refused))
"""


@pytest.fixture
def sandbox() -> ErpSandbox:
    return worlds.sandbox(5)


@pytest.fixture
def base(sandbox: ErpSandbox) -> Iterator[str]:
    with serving(sandbox) as url:
        yield url


def _given(sandbox: ErpSandbox, store: TokenStore, *, expires_at: float = 4e9) -> None:
    """Put a pair into the file that the sandbox knows."""
    sandbox.access_tokens.add("access-0")
    sandbox.refresh_tokens.add("refresh-0")
    store.save(Tokens("access-0", "refresh-0", expires_at))


def test_a_token_that_lasts_is_used_as_it_is(sandbox: ErpSandbox, base: str, tmp_path: Path) -> None:
    _given(sandbox, TokenStore(tmp_path / "tokens.json"))
    assert worlds.tokens(base, tmp_path, seed=None).get() == "access-0"
    assert sandbox.token_requests == []


def test_an_expired_token_is_traded_for_a_new_pair(sandbox: ErpSandbox, base: str, tmp_path: Path) -> None:
    store = TokenStore(tmp_path / "tokens.json")
    _given(sandbox, store, expires_at=0)
    access = worlds.tokens(base, tmp_path, seed=None).get()
    saved = store.load()
    assert saved is not None
    assert saved.access_token == access in sandbox.access_tokens
    assert saved.refresh_token in sandbox.refresh_tokens
    assert "refresh-0" not in sandbox.refresh_tokens


def test_the_file_is_the_owners_alone_and_no_repr_shows_tokens(tmp_path: Path) -> None:
    store = TokenStore(tmp_path / "deep" / "tokens.json")
    store.save(Tokens("secret-access", "secret-refresh", 1.0))
    assert store.path.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in store.path.parent.iterdir()] == ["tokens.json"]
    assert "secret" not in repr(store.load())
    assert "secret" not in repr(Credentials("url", "client", "secret", "secret"))


@pytest.mark.parametrize("text", ["", "[]", "{", '{"access_token": "x"}'])
def test_a_spoilt_file_counts_as_none(tmp_path: Path, text: str) -> None:
    store = TokenStore(tmp_path / "tokens.json")
    store.path.write_text(text)
    assert store.load() is None


def test_two_processes_refused_at_once_refresh_once(sandbox: ErpSandbox, base: str, tmp_path: Path) -> None:
    store = TokenStore(tmp_path / "tokens.json")
    _given(sandbox, store)
    sandbox.access_tokens.clear()
    sandbox.faults = [Fault("slow", TOKEN_PATH, seconds=0.3)]  # the other one waits for the lock meanwhile
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", _RACER, base + TOKEN_PATH, str(store.path), "access-0"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    for racer in racers:
        assert racer.stdout is not None
        assert racer.stdout.readline() == "ready\n"
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("go\n")
        racer.stdin.flush()
    answers = {racer.communicate(timeout=30)[0].strip() for racer in racers}
    assert len(answers) == 1
    assert answers <= sandbox.access_tokens
    assert sandbox.token_requests == ["refresh_token"]


def test_invalid_grant_looks_at_the_file_again(sandbox: ErpSandbox, base: str, tmp_path: Path) -> None:
    """Somebody without our lock (another machine, a shared folder) refreshed after our read."""
    store = TokenStore(tmp_path / "tokens.json")
    _given(sandbox, store, expires_at=0)

    class StaleOnce(TokenStore):
        reads = 0

        def load(self) -> Tokens | None:
            self.reads += 1
            return Tokens("old", "dead-refresh", 0) if self.reads <= 2 else super().load()

    tokens = AccessTokens(
        StaleOnce(store.path), Credentials(base + TOKEN_PATH, "client", "secret"), clock=worlds.FakeClock()
    )
    assert tokens.get() in sandbox.access_tokens
    assert sandbox.token_requests == ["refresh_token", "refresh_token"]


def test_a_token_given_by_hand_helps_when_the_saved_one_is_dead(
    sandbox: ErpSandbox, base: str, tmp_path: Path
) -> None:
    TokenStore(tmp_path / "tokens.json").save(Tokens("old", "dead", 0))
    sandbox.refresh_tokens.add("given")
    assert worlds.tokens(base, tmp_path, seed="given").get() in sandbox.access_tokens


def test_dead_tokens_say_how_to_authorise_again(base: str, tmp_path: Path) -> None:
    store = TokenStore(tmp_path / "tokens.json")
    with pytest.raises(TokenError, match="no ERP tokens yet; authorise again: whatsapp-pipeline erp"):
        worlds.tokens(base, tmp_path, seed=None).get()
    store.save(Tokens("old", "dead", 0))
    with pytest.raises(TokenError, match=r"no longer accepts .* erp authorize"):
        worlds.tokens(base, tmp_path, seed=None).get()


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Fault("status", TOKEN_PATH, status=401, body='{"error": "invalid_client"}'), "TINY_CLIENT_SECRET"),
        (Fault("status", TOKEN_PATH, status=500, times=99), "tokens are kept"),
        (Fault("status", TOKEN_PATH, status=429, times=99), "tokens are kept"),
        (Fault("status", TOKEN_PATH, status=200, body="<html>", times=9), "firewall, proxy or login"),
        (Fault("status", TOKEN_PATH, status=403, body="<html>no</html>"), "firewall, proxy or login"),
        (Fault("status", TOKEN_PATH, status=200, body="{}"), "without tokens"),
        (Fault("status", TOKEN_PATH, status=200, body="[]"), "without tokens"),
    ],
)
def test_what_is_no_revocation_does_not_ask_to_authorise(
    sandbox: ErpSandbox, base: str, tmp_path: Path, fault: Fault, words: str
) -> None:
    store = TokenStore(tmp_path / "tokens.json")
    _given(sandbox, store, expires_at=0)
    before = store.path.read_bytes()
    sandbox.faults = [fault]
    with pytest.raises(TokenError, match=words) as caught:
        worlds.tokens(base, tmp_path, seed=None).get()
    assert "erp authorize" not in str(caught.value)
    assert "hidden-secret" not in str(caught.value)
    assert store.path.read_bytes() == before


@pytest.mark.parametrize(
    ("ends", "words"),
    [
        (1.0, "it expired: a refresh token is valid for a day"),
        (4e9, "it has not expired: another copy of this program"),
        (None, "it expired, another copy of this program has used it, or"),
    ],
)
def test_a_dead_token_says_why(base: str, tmp_path: Path, ends: float | None, words: str) -> None:
    TokenStore(tmp_path / "tokens.json").save(Tokens("old", "dead", 0, ends))
    with pytest.raises(TokenError, match=words):
        worlds.tokens(base, tmp_path, seed=None).get()


def test_a_token_file_that_cannot_be_read_is_named(base: str, tmp_path: Path) -> None:
    (tmp_path / "tokens.json").write_text("{")
    with pytest.raises(TokenError, match=r"tokens\.json, can't be read; authorise again"):
        worlds.tokens(base, tmp_path, seed=None).get()


def test_an_answer_without_a_refresh_token_keeps_the_old_one(
    sandbox: ErpSandbox, base: str, tmp_path: Path
) -> None:
    store = TokenStore(tmp_path / "tokens.json")
    _given(sandbox, store, expires_at=0)
    sandbox.faults = [Fault("no_refresh", TOKEN_PATH)]
    access = worlds.tokens(base, tmp_path, seed=None).get()
    saved = store.load()
    assert saved is not None
    assert (saved.access_token, saved.refresh_token) == (access, "refresh-0")


_SMALL_DISK = """
import resource, signal, sys
from pathlib import Path
from whatsapp_pipeline.erp.token_store import TokenStore
from whatsapp_pipeline.erp.tokens import AccessTokens, Credentials, TokenError
url, path = sys.argv[1:]
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))  # as a full disk: no file grows beyond 100 bytes
try:
    AccessTokens(TokenStore(Path(path)), Credentials(url, "client", "secret")).get()
except TokenError as error:
    print(error)
"""


def test_a_full_disk_is_noticed_before_the_token_is_spent(
    sandbox: ErpSandbox, base: str, tmp_path: Path
) -> None:
    store = TokenStore(tmp_path / "tokens.json")
    _given(sandbox, store, expires_at=0)
    before = store.path.read_bytes()
    said = subprocess.run(
        [sys.executable, "-c", _SMALL_DISK, base + TOKEN_PATH, str(store.path)],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "could not be saved in" in said
    assert "are still valid: free disk space" in said
    assert sandbox.token_requests == []
    assert store.path.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir() if path.name.endswith(".new")] == []
    # With room again the same token works: nobody has to authorise.
    assert worlds.tokens(base, tmp_path, seed=None).get() in sandbox.access_tokens


def test_a_pair_that_cannot_be_saved_is_used_from_memory_and_saved_later(
    sandbox: ErpSandbox, base: str, tmp_path: Path
) -> None:
    store = TokenStore(tmp_path / "tokens.json")
    _given(sandbox, store, expires_at=0)
    keeper = worlds.tokens(base, tmp_path, seed=None)
    sandbox.faults = [Fault("slow", TOKEN_PATH, seconds=0.5)]
    answers: list[str] = []
    thread = threading.Thread(target=lambda: answers.append(keeper.get()))
    thread.start()
    while not sandbox.token_requests:  # the room was made before the request; now the folder is lost
        time.sleep(0.01)
    (tmp_path / "tokens.json").rename(tmp_path / "aside")
    (tmp_path / "tokens.json").mkdir()
    (tmp_path / "tokens.json" / "in the way").touch()
    thread.join()
    assert answers[0] in sandbox.access_tokens
    assert keeper.get() == answers[0]
    assert len(sandbox.token_requests) == 1
    (tmp_path / "tokens.json" / "in the way").unlink()
    (tmp_path / "tokens.json").rmdir()
    (tmp_path / "aside").rename(tmp_path / "tokens.json")
    assert keeper.get() == answers[0]
    saved = store.load()
    assert saved is not None
    assert saved.access_token == answers[0]
    assert saved.refresh_token in sandbox.refresh_tokens


@pytest.mark.slow
def test_a_kill_after_the_answer_loses_no_token(sandbox: ErpSandbox, base: str, tmp_path: Path) -> None:
    """The process is killed before each line that it runs after the token endpoint's answer has come."""
    store = TokenStore(tmp_path / "tokens.json")
    lost, line, status = [], 0, -9
    with killed_refreshes(base + TOKEN_PATH, store.path) as kill_at:
        while status == -9:
            line += 1
            _given(sandbox, store, expires_at=0)
            status = kill_at(line)
            keeper = worlds.tokens(base, tmp_path, seed=None)
            try:
                assert keeper.renew(keeper.get()) in sandbox.access_tokens
            except TokenError:
                lost.append(line)
            assert {path.name for path in tmp_path.iterdir()} == {"tokens.json", "tokens.lock"}
            sandbox.access_tokens.clear()
            sandbox.refresh_tokens.clear()
    assert status == 0
    assert line > 20
    # Until the answer is written down it exists in the process alone: the few lines up to there.
    assert lost == list(range(1, len(lost) + 1))
    assert len(lost) <= 6


def test_a_kill_before_the_answer_spends_no_token_of_ours(
    sandbox: ErpSandbox, base: str, tmp_path: Path
) -> None:
    store = TokenStore(tmp_path / "tokens.json")
    _given(sandbox, store, expires_at=0)
    for name in (".tokens.json.4711.new", ".tokens.json.answer"):  # reserved space without an answer
        (tmp_path / name).write_bytes(bytes(65536))
    assert worlds.tokens(base, tmp_path, seed=None).get() in sandbox.access_tokens
    assert {path.name for path in tmp_path.iterdir()} == {"tokens.json", "tokens.lock"}
    assert sandbox.token_requests == ["refresh_token"]


@pytest.mark.parametrize("body", [b"{", b'{"access_token": "x"', b"<html>access_token</html>", b"[]"])
def test_an_answer_that_is_not_whole_is_not_taken_for_a_pair(
    sandbox: ErpSandbox, base: str, tmp_path: Path, body: bytes
) -> None:
    _given(sandbox, TokenStore(tmp_path / "tokens.json"), expires_at=0)
    (tmp_path / ".tokens.json.answer").write_bytes(body + bytes(100))
    assert worlds.tokens(base, tmp_path, seed=None).get() in sandbox.access_tokens
    assert {path.name for path in tmp_path.iterdir()} == {"tokens.json", "tokens.lock"}


def test_an_answer_that_comes_too_late_is_used_all_the_same(
    sandbox: ErpSandbox, base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The endpoint spends the token, answers after our time-out, and refuses the same token then."""
    _given(sandbox, TokenStore(tmp_path / "tokens.json"), expires_at=0)
    monkeypatch.setattr("whatsapp_pipeline.erp.tokens._ANSWER_SECONDS", 0.5)
    sandbox.faults = [Fault("late", TOKEN_PATH, seconds=0.8), Fault("slow", TOKEN_PATH, seconds=0.45)]
    keeper = worlds.tokens(base, tmp_path, seed=None)
    assert keeper.get() in sandbox.access_tokens
    assert sandbox.token_requests == ["refresh_token", "refresh_token"]


def test_authorize_takes_the_address_the_browser_was_led_to(
    sandbox: ErpSandbox, base: str, tmp_path: Path
) -> None:
    environment = {
        "TINY_CLIENT_ID": "client",
        "TINY_CLIENT_SECRET": "secret",
        "TINY_TOKEN_URL": base + TOKEN_PATH,
        "TINY_BASE_URL": base + "/public-api/v3",
        "PIPELINE_LOCAL_DIR": str(tmp_path),
    }
    runner = CliRunner()
    asked = runner.invoke(erp, ["authorize"], env=environment, input="sandbox-code\n")
    assert asked.exit_code == 0, asked.output
    assert f"{base}/realms/tiny/protocol/openid-connect/auth?client_id=client&redirect_uri=" in asked.output
    saved = json.loads((tmp_path / "tiny_tokens.json").read_text())
    assert saved["access_token"] in sandbox.access_tokens
    shown = runner.invoke(erp, ["status", "--erp", "tiny"], env=environment)
    assert shown.exit_code == 0, shown.output
    assert "contacts  B: 2" in shown.output
    strange = runner.invoke(
        erp, ["authorize"], env=environment, input="http://localhost/?code=x&state=other\n"
    )
    assert strange.exit_code == 2
    assert "that address belongs to another authorisation; start again" in strange.output
    page = re.search(r"state=([\w-]+)", asked.output)
    assert page, asked.output
    later = f"http://localhost/?state={page[1]}&code=sandbox-code"
    used = runner.invoke(erp, ["authorize", "--code", later], env=environment)
    assert isinstance(used.exception, TokenError), "the code was sent to the ERP, which accepts it only once"
    again = runner.invoke(erp, ["authorize", "--code", "http://localhost/?code=used-up"], env=environment)
    assert isinstance(again.exception, TokenError)
    assert json.loads((tmp_path / "tiny_tokens.json").read_text()) == saved
