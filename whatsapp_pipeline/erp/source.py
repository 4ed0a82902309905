"""Sources of contacts and orders: the ERP's API, or a folder of saved pages.

What belongs here: their common interface, and the choice between them. What does not: storing pages
(steps/contacts/erp_sync.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path
from types import TracebackType
from typing import Final, Literal, Protocol, Self, TypeAlias

import requests

from whatsapp_pipeline.databases import pipeline_url
from whatsapp_pipeline.erp.budget import PassBudget
from whatsapp_pipeline.erp.client import ErpClient, ErpError
from whatsapp_pipeline.erp.folder import FolderSource
from whatsapp_pipeline.erp.items import Item, ItemError, items_of
from whatsapp_pipeline.erp.listing_page import ListingPage
from whatsapp_pipeline.erp.shared_token_store import SharedTokenStore
from whatsapp_pipeline.erp.token_store import TokenStorage, TokenStore
from whatsapp_pipeline.erp.tokens import AccessTokens, Credentials
from whatsapp_pipeline.erp.wait_clock import SystemClock, WaitClock
from whatsapp_pipeline.errors import PipelineError, SettingError
from whatsapp_pipeline.settings import Settings, variable_of

PAGE_SIZE: Final = 100
CONTACT_STATUSES: Final = ("B", "A", "I", "E")
Resource: TypeAlias = Literal["contatos", "ordem-servico"]
# The sandbox always accepts this refresh token and issues a first pair of tokens for it.
SANDBOX_REFRESH_TOKEN: Final = "sandbox"  # noqa: S105


class ErpSource(Protocol):
    """Pages of contacts and orders. Used as a context manager."""

    @property
    def name(self) -> str:
        """Name of the source, stored with each pass. Only the same source may resume a pass."""
        ...

    @property
    def live(self) -> bool:
        """True when rows can move between two requests; a page then repeats the last row before it."""
        ...

    @property
    def contact_scopes(self) -> Sequence[str]:
        """The listings that together hold every contact: one per status, or a single one."""
        ...

    def fingerprint(self, resource: Resource) -> str | None:
        """Return a hash of a resource's content; None when that needs reading every page."""
        ...

    def contacts_page(self, scope: str, offset: int, updated_since: datetime | None) -> ListingPage:
        """Return the page at `offset` of the contacts changed since `updated_since`; raises PipelineError."""
        ...

    def orders_page(self, offset: int, issued_since: date | None) -> ListingPage:
        """Return the page at `offset` of the orders issued since `issued_since`; raises PipelineError."""
        ...

    def order(self, order_id: int) -> Item | None:
        """Return an order's details, None when there are none; raises PipelineError."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class ApiSource:
    """The ERP's API."""

    live = True
    contact_scopes: Sequence[str] = CONTACT_STATUSES

    def __init__(self, client: ErpClient, name: str = "tiny") -> None:
        self._client, self.name = client, name

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def fingerprint(self, resource: Resource) -> str | None:
        """Return None: the API has no hash or version of a listing."""
        return None

    def contacts_page(self, scope: str, offset: int, updated_since: datetime | None) -> ListingPage:
        """Return the page of contacts with the status `scope`."""
        params: dict[str, str | int] = {"situacao": scope}
        if updated_since is not None:
            params["dataAtualizacao"] = updated_since.strftime("%Y-%m-%d %H:%M:%S")
        return self._page("/contatos", offset, params)

    def orders_page(self, offset: int, issued_since: date | None) -> ListingPage:
        """Return the page of orders."""
        params: dict[str, str | int] = {}
        if issued_since is not None:
            params["dataInicialEmissao"] = issued_since.isoformat()
        return self._page("/ordem-servico", offset, params)

    def order(self, order_id: int) -> Item | None:
        """Return an order's details."""
        return self._client.get_or_none(f"/ordem-servico/{order_id}", {})

    def _page(self, path: str, offset: int, params: dict[str, str | int]) -> ListingPage:
        query = {**params, "orderBy": "asc", "limit": PAGE_SIZE, "offset": offset}
        body = self._client.get(path, query)
        try:
            items = items_of(body)
            total = int(body["paginacao"]["total"])
        except (ItemError, KeyError, TypeError, ValueError, OverflowError) as error:
            raise ErpError(
                f"the ERP answered {path} without itens and paginacao.total; check TINY_BASE_URL"
            ) from error
        end = offset + len(items)
        # The stated total can be wrong, so another page is requested after every full page.
        limit = body["paginacao"].get("limit")
        full = min(PAGE_SIZE, limit) if isinstance(limit, int) and limit > 1 else PAGE_SIZE
        more = bool(items) and (end < total or len(items) >= full)
        # The next page begins with the last row of this one, which shows whether rows moved in between.
        # This is not possible for a page of one row.
        return ListingPage(items, offset, total, (end - 1 if len(items) > 1 else end) if more else None)


def open_erp_source(settings: Settings, spec: str, *, clock: WaitClock | None = None) -> ErpSource:
    """Open a source: `tiny`, the `http(s)://` address of a sandbox, or a folder of saved pages.

    Another server at such an address must accept the sandbox's credentials.

    Raises SettingError when the credentials are missing, PipelineError when the folder holds no pages.
    """
    clock = clock or SystemClock()
    budget = PassBudget(clock, settings.erp_pass_minutes * 60.0)
    if spec == "tiny":
        tokens = open_tokens(settings, clock=clock, budget=budget)
        return ApiSource(ErpClient(settings.tiny_base_url, tokens, clock=clock, budget=budget))
    if spec.startswith(("http://", "https://")):
        base = spec.rstrip("/")
        credentials = Credentials(
            f"{base}/realms/tiny/protocol/openid-connect/token", "sandbox", "sandbox", SANDBOX_REFRESH_TOKEN
        )
        store = TokenStore(settings.local_dir / "sandbox_tokens.json")
        session = requests.Session()
        # Ignore HTTP_PROXY, because a proxy can't reach the sandbox on this machine
        session.trust_env = False
        tokens = AccessTokens(store, credentials, session=session, clock=clock, budget=budget)
        client = ErpClient(f"{base}/public-api/v3", tokens, session=session, clock=clock, budget=budget)
        return ApiSource(client, "sandbox")
    folder = Path(spec).expanduser()
    if not folder.is_dir():
        raise PipelineError(f"--erp {spec}: expected `tiny`, an http(s) address, or a folder of saved pages")
    return FolderSource(folder)


def open_tokens(
    settings: Settings, *, clock: WaitClock | None = None, budget: PassBudget | None = None
) -> AccessTokens:
    """Return the access tokens of the real ERP; raises SettingError when the credentials are missing."""
    if not settings.tiny_client_id or not settings.tiny_client_secret:
        missing = [
            variable_of(name)
            for name in ("tiny_client_id", "tiny_client_secret")
            if not getattr(settings, name)
        ]
        raise SettingError(
            f"{' and '.join(missing)} not set: create an application in the ERP and put its id and secret in "
            ".env, or read a folder of saved pages with --erp DIR"
        )
    refresh_token = settings.tiny_refresh_token
    credentials = Credentials(
        settings.tiny_token_url,
        settings.tiny_client_id,
        settings.tiny_client_secret.get_secret_value(),
        refresh_token.get_secret_value() if refresh_token else None,
    )
    return AccessTokens(token_store(settings), credentials, clock=clock, budget=budget)


def token_store(settings: Settings) -> TokenStorage:
    """Return the store of the real ERP's tokens: the database with several hosts, otherwise a local file."""
    on_disk = TokenStore(settings.local_dir / "tiny_tokens.json")
    if settings.several_hosts:
        return SharedTokenStore(pipeline_url(settings), on_disk, host=settings.host)
    return on_disk
