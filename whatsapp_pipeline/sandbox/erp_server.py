"""An HTTP server that behaves like the ERP: tokens that rotate, pages, rate limits, and faults on demand.

What belongs here: everything a client can observe of the real one. What does not: inventing contacts
(`people`). The server listens on loopback and keeps everything in memory.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

from whatsapp_pipeline.erp.source import SANDBOX_REFRESH_TOKEN
from whatsapp_pipeline.sandbox.loopback import serve_on_loopback

API: Final = "/public-api/v3"
TOKEN_PATH: Final = "/realms/tiny/protocol/openid-connect/token"  # noqa: S105
CONTROL: Final = "/_control"
_LARGEST_PAGE: Final = 100
Item = dict[str, Any]


@dataclass(slots=True)
class Fault:
    """One kind of fault, for `times` requests to paths that contain `path`, after `after` correct answers.

    `kind`: `status` (answer `status` with `body` and `headers`), `unauthorized` (answer 401 and revoke every
    access token), `drop` (close without an answer), `ignore` (ignore the parameters in `params`), `shift`
    (answer, then delete the first contact and append `insert`, if any), `slow` (wait `seconds`), `drip` (send
    byte after byte for `seconds`), `total` (state `total` as the number of rows), `null` (`itens: null` where
    there are no rows), `no_refresh` (issue no new refresh token; the old one stays valid), `late` (at the
    token endpoint: invalidate the old token, and answer after `seconds`).
    """

    kind: str
    path: str = ""
    after: int = 0
    times: int = 1
    status: int = 500
    body: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    params: list[str] = field(default_factory=list)
    insert: Item | None = None
    seconds: float = 0.0
    total: int = 0


@dataclass(slots=True)
class Answer:
    """One HTTP response."""

    status: int
    body: bytes
    headers: dict[str, str]
    content_type: str = "application/json"
    drip_seconds: float = 0.0
    late_seconds: float = 0.0


class ErpSandbox:
    """The state of the server: rows, tokens, faults, and a log of its requests."""

    def __init__(
        self,
        contacts: Sequence[Item],
        orders: Sequence[Item],
        details: Mapping[int, Item],
        *,
        per_minute: int = 0,
    ) -> None:
        """Serve these rows; `per_minute` above 0 limits the requests, as a subscription of the ERP does."""
        self.contacts = sorted(contacts, key=lambda item: int(item["id"]))
        self.orders = sorted(orders, key=lambda item: int(item["id"]))
        self.details = dict(details)
        self.faults: list[Fault] = []
        self.strays: dict[int, object] = {}  # position in a listing → value, no row, to insert there
        # Sent with each answer if `per_minute` is 0. They replace the headers of the rate limit.
        self.headers: dict[str, str] = {}
        self.requests: list[str] = []
        self.token_requests: list[str] = []
        self.access_seconds, self.per_minute = 14_400, per_minute
        self.access_tokens: set[str] = set()
        self.refresh_tokens: set[str] = set()
        self.codes: set[str] = {"sandbox-code"}
        self.lock = threading.RLock()
        self._window: tuple[float, int] = (0.0, 0)

    @classmethod
    def of_folder(cls, folder: Path, *, per_minute: int = 0) -> ErpSandbox:
        """Serve the pages under `folder` (`contatos/`, `ordem-servico/list-*`, `details-*`)."""

        def items(pattern: str) -> list[Item]:
            pages = (json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob(pattern)))
            return [item for page in pages for item in page["itens"]]

        details = {int(item["id"]): item for item in items("ordem-servico/details-*.json")}
        return cls(
            items("contatos/*.json"), items("ordem-servico/list-*.json"), details, per_minute=per_minute
        )

    def get(self, path: str, query: Mapping[str, str], token: str) -> Answer | None:
        """Answer a request to the API; None to close the connection without an answer."""
        with self.lock:
            self.requests.append(f"{path}?{'&'.join(f'{k}={v}' for k, v in query.items())}")
            limits, limited = self._limit()
            if limited:
                return Answer(429, b"", limits)
            fault = self._fault(path)
            if fault is not None:
                answer = self._misbehave(fault, limits)
                if fault.kind in {"status", "unauthorized", "drop"}:
                    return answer
                query = {k: v for k, v in query.items() if k not in fault.params}
            if token not in self.access_tokens:
                return Answer(401, b"", limits)
            answer = self._serve(path, query, limits)
            if fault is not None and fault.kind in {"total", "null"}:
                answer = _distorted(answer, fault)
            if fault is not None and fault.kind == "drip":
                answer.drip_seconds = fault.seconds
            if fault is not None and fault.kind == "shift":
                self.contacts = [*self.contacts[1:], *([fault.insert] if fault.insert else [])]
            return answer

    def _fault(self, path: str) -> Fault | None:
        for fault in self.faults:
            if fault.path in path and fault.times > 0:
                if fault.after > 0:
                    fault.after -= 1
                    continue
                fault.times -= 1
                return fault
        return None

    def _misbehave(self, fault: Fault, limits: dict[str, str]) -> Answer | None:
        if fault.kind == "status":
            html = "text/html" if fault.body.startswith("<") else "application/json"
            return Answer(fault.status, fault.body.encode(), {**limits, **fault.headers}, html)
        if fault.kind == "unauthorized":
            self.access_tokens.clear()
            return Answer(401, b"", limits)
        if fault.kind == "slow":
            time.sleep(fault.seconds)  # the fault `slow`
        return None

    def _limit(self) -> tuple[dict[str, str], bool]:
        """Count a request; return the headers of the rate limit, and whether the limit is exceeded."""
        if not self.per_minute:
            return {
                "X-RateLimit-Limit": "240",
                "X-RateLimit-Remaining": "239",
                "X-RateLimit-Reset": "60",
                **self.headers,
            }, False
        now = time.monotonic()
        began, used = self._window
        if now - began >= 60:
            began, used = now, 0
        used += 1
        self._window = (began, used)
        remaining = max(0, self.per_minute - used)
        return {
            "X-RateLimit-Limit": str(self.per_minute),
            "X-RateLimit-Remaining": str(remaining),
            "X-RateLimit-Reset": str(max(1, round(60 - (now - began)))),
        }, used > self.per_minute

    def _serve(self, path: str, query: Mapping[str, str], limits: dict[str, str]) -> Answer:
        if path == "/contatos":
            return self._listing(self._contacts(query), query, limits)
        if path == "/ordem-servico":
            return self._listing(self._orders(query), query, limits)
        if path.startswith("/ordem-servico/") and path.rsplit("/", 1)[1].isdecimal():
            item = self.details.get(int(path.rsplit("/", 1)[1]))
            if item is not None:
                return Answer(200, _json(item), limits)
        return Answer(404, b"<html><body>Not Found</body></html>", limits, "text/html")

    def _contacts(self, query: Mapping[str, str]) -> list[Item]:
        # Without a status the real API leaves out inactive and deleted contacts, which is not documented.
        wanted = (query["situacao"],) if "situacao" in query else ("A", "B")
        since = query.get("dataAtualizacao", "")
        return [
            item
            for item in self.contacts
            if item["situacao"] in wanted and item.get("dataAtualizacao", "") >= since
        ]

    def _orders(self, query: Mapping[str, str]) -> list[Item]:
        first, last = query.get("dataInicialEmissao", ""), query.get("dataFinalEmissao", "9999")
        return [
            item
            for item in self.orders
            if first <= item["data"] <= last and query.get("situacao", item["situacao"]) == item["situacao"]
        ]

    def _listing(self, rows: Sequence[Item], query: Mapping[str, str], limits: dict[str, str]) -> Answer:
        try:
            limit = min(int(query.get("limit", _LARGEST_PAGE)), _LARGEST_PAGE)
            offset = int(query.get("offset", 0))
        except ValueError:
            details = [{"campo": "limit", "mensagem": "inválido"}]
            return Answer(400, _json({"mensagem": "Parâmetros inválidos", "detalhes": details}), limits)
        ordered: list[object] = list(reversed(rows) if query.get("orderBy") == "desc" else rows)
        for place, stray in sorted(self.strays.items() if rows else ()):
            ordered.insert(place, stray)
        page = {
            "itens": ordered[offset : offset + limit],
            "paginacao": {"limit": limit, "offset": offset, "total": len(ordered)},
        }
        return Answer(200, _json(page), limits)

    def token(self, form: Mapping[str, str]) -> Answer | None:
        """Answer the token endpoint. Each refresh token works once, except the fixed one of the sandbox."""
        with self.lock:
            self.token_requests.append(form.get("grant_type", ""))
            fault = self._fault(TOKEN_PATH)
            if fault is not None:
                answer = self._misbehave(fault, {})
                if fault.kind not in {"slow", "no_refresh", "late"}:
                    return answer
            if not form.get("client_id") or not form.get("client_secret"):
                return Answer(401, _json({"error": "invalid_client"}), {})
            if form.get("grant_type") == "authorization_code":
                known, grant = self.codes, form.get("code", "")
            else:
                known, grant = self.refresh_tokens, form.get("refresh_token", "")
            if grant not in known and grant != SANDBOX_REFRESH_TOKEN:
                return Answer(
                    400, _json({"error": "invalid_grant", "error_description": "Token is not active"}), {}
                )
            pair = {
                "access_token": f"access-{uuid4().hex}",
                "token_type": "Bearer",
                "expires_in": self.access_seconds,
                "refresh_expires_in": 86_400,
            }
            self.access_tokens.add(str(pair["access_token"]))
            if fault is None or fault.kind != "no_refresh":
                known.discard(grant)
                pair["refresh_token"] = f"refresh-{uuid4().hex}"
                self.refresh_tokens.add(str(pair["refresh_token"]))
            late = fault.seconds if fault is not None and fault.kind == "late" else 0.0
            return Answer(200, _json(pair), {}, late_seconds=late)

    def control(self, path: str, body: Mapping[str, Any]) -> Answer:
        """Execute a command of a test in another process: set faults, change a contact, return the log."""
        with self.lock:
            if path == "/faults":
                self.faults = [Fault(**fault) for fault in body.get("faults", [])]
            elif path == "/contact":
                changed = body["contact"]
                others = [item for item in self.contacts if item["id"] != changed["id"]]
                self.contacts = sorted([*others, changed], key=lambda item: int(item["id"]))
            elif path != "/log":
                return Answer(404, b"", {})
            return Answer(200, _json({"requests": self.requests, "token_requests": self.token_requests}), {})


class _ErpHandler(BaseHTTPRequestHandler):
    """Answers requests from the sandbox."""

    protocol_version = "HTTP/1.1"
    # Send head and body in one packet; two packets would wait for each other's acknowledgement.
    wbufsize = -1
    disable_nagle_algorithm = True
    sandbox: ErpSandbox

    def do_GET(self) -> None:
        """Answer a request to the API, or for the log."""
        url = urlsplit(self.path)
        if url.path.startswith(CONTROL):
            self._answer(self.sandbox.control(url.path.removeprefix(CONTROL), {}))
            return
        query = {name: values[-1] for name, values in parse_qs(url.query, keep_blank_values=True).items()}
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        path = url.path.removeprefix(API) if url.path.startswith(API) else "/?"
        self._answer(self.sandbox.get(path, query, token))

    def do_POST(self) -> None:
        """Answer a request to the token endpoint, or execute a command."""
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length).decode()
        url = urlsplit(self.path)
        if url.path == TOKEN_PATH:
            self._answer(self.sandbox.token({name: values[-1] for name, values in parse_qs(body).items()}))
        elif url.path.startswith(CONTROL):
            self._answer(self.sandbox.control(url.path.removeprefix(CONTROL), json.loads(body or "{}")))
        else:
            self._answer(Answer(404, b"", {}))

    def _answer(self, answer: Answer | None) -> None:
        if answer is None:
            self.close_connection = True
            return
        time.sleep(answer.late_seconds)  # the fault `late`
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        stop_at = time.monotonic() + answer.drip_seconds
        with contextlib.suppress(OSError):  # the client closed the connection
            while time.monotonic() < stop_at:
                self.wfile.write(b" ")
                self.wfile.flush()
                time.sleep(0.05)  # the fault `drip`
            self.wfile.write(answer.body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class names it so
        """Print nothing: the sandbox keeps its own log of requests."""


def _distorted(answer: Answer, fault: Fault) -> Answer:
    """Return a page with a wrong total, or with null instead of an empty list."""
    page = json.loads(answer.body)
    if fault.kind == "total":
        page["paginacao"]["total"] = fault.total
    elif not page["itens"]:
        page["itens"] = None
    return Answer(answer.status, _json(page), answer.headers)


def _json(body: object) -> bytes:
    # Lone surrogates are sent unchanged, as some real servers do.
    return json.dumps(body, ensure_ascii=False).encode("utf-8", "surrogatepass")


@contextlib.contextmanager
def serving(sandbox: ErpSandbox) -> Iterator[str]:
    """Serve `sandbox` on a free port of loopback; yields `http://127.0.0.1:port`."""
    with serve_on_loopback(_ErpHandler, sandbox) as url:
        yield url


@contextlib.contextmanager
def serve_pages(folder: Path) -> Iterator[str]:
    """Serve the pages under `folder` on loopback; yields the address for `--erp`."""
    with serving(ErpSandbox.of_folder(folder)) as url:
        yield url
