"""The addresses of the console: host names, TLS, proxies.

What belongs here: reading the console's part of the settings and refusing what is unsafe. What does not:
serving (server.py).
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from pathlib import Path

from whatsapp_pipeline.console.signed_links import parse_link_keys
from whatsapp_pipeline.errors import SettingError
from whatsapp_pipeline.settings import Settings

_LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")


@dataclass(frozen=True, slots=True)
class ConsoleConfig:
    """Everything about the console that is not in the database."""

    host: str = "127.0.0.1"
    port: int = 8090
    hosts: tuple[str, ...] = _LOOPBACK_NAMES
    """Host names that requests may name, without a port."""
    proxies: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...] = ()
    """Networks whose forwarding headers are believed."""
    user_header: str | None = None
    """Header in which a trusted proxy names the user that it has authenticated."""
    tls_cert: Path | None = None
    tls_key: Path | None = None
    zone: str = "America/Sao_Paulo"
    dagster_url: str = "http://127.0.0.1:3000"
    pool_size: int = 4
    link_keys: tuple[tuple[str, bytes], ...] = ()
    """Ids and secrets of the keys that sign links to single orders; the first makes new ones."""
    archive: str | None = None
    """Folder or URL of the exported chats, for the files that customers sent."""
    public_url: str | None = None
    """The address that browsers use (CONSOLE_URL); None: it was not set."""

    @property
    def url(self) -> str:
        """The address to open in a browser, with which links to the console begin."""
        if self.public_url is not None:
            return self.public_url
        if self.proxies and self.hosts[0] not in _LOOPBACK_NAMES:
            return f"https://{self.hosts[0]}"  # the proxy's port, which is not the console's own
        return f"{'https' if self.tls_cert else 'http'}://{self.hosts[0]}:{self.port}"

    def is_trusted_proxy(self, address: str) -> bool:
        """Return whether a network address is that of a proxy whose headers are believed."""
        try:
            peer = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(peer in network for network in self.proxies)


def console_config(settings: Settings, *, host: str, port: int) -> ConsoleConfig:
    """Return the console's configuration.

    Raises SettingError when it would listen beyond this machine without TLS and without a proxy, or when a
    setting is malformed.
    """
    proxies = tuple(_network(text) for text in settings.console_proxies)
    cert, key = settings.console_tls_cert, settings.console_tls_key
    if (cert is None) != (key is None):
        raise SettingError("CONSOLE_TLS_CERT and CONSOLE_TLS_KEY go together: set both or none")
    for path in filter(None, (cert, key)):
        if not path.is_file():
            raise SettingError(f"CONSOLE_TLS_CERT or CONSOLE_TLS_KEY: there is no file {path.name}")
    if not is_loopback(host) and cert is None and not proxies:
        raise SettingError(
            f"the console does not listen on {host} in plain HTTP: anybody on the network could read along. "
            "Set CONSOLE_TLS_CERT and CONSOLE_TLS_KEY, or CONSOLE_PROXIES for a proxy that has TLS"
        )
    if settings.console_user_header and not proxies:
        raise SettingError("CONSOLE_USER_HEADER needs CONSOLE_PROXIES: only a listed proxy may name users")
    return ConsoleConfig(
        host=host,
        port=port,
        hosts=(*settings.console_hosts, *_LOOPBACK_NAMES),
        proxies=proxies,
        user_header=settings.console_user_header,
        tls_cert=cert,
        tls_key=key,
        zone=settings.zone,
        dagster_url=settings.dagster_ui_url,
        link_keys=tuple(
            parse_link_keys([key.get_secret_value() for key in settings.console_link_keys]).items()
        ),
        archive=settings.archive_root,
        public_url=settings.console_url if "console_url" in settings.model_fields_set else None,
    )


def is_loopback(host: str) -> bool:
    """Return whether only this machine reaches an address."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise SettingError(
            f"CONSOLE_PROXIES: {text!r} is no address; example: 10.0.0.5 or 10.0.0.0/24"
        ) from None
