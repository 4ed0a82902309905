"""The configuration of the console, read from the settings and checked.

What belongs here: the console's part of the settings, and rejecting unsafe combinations. What does not:
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
    """The console's configuration: its listen address from the command line, the rest from the settings."""

    host: str = "127.0.0.1"
    port: int = 8090
    hosts: tuple[str, ...] = _LOOPBACK_NAMES
    """Names that the Host header of a request may have, without the port.

    If CONSOLE_URL is not set, links to the console have the first one.
    """
    proxies: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...] = ()
    """Networks of the proxies whose forwarding headers the console trusts."""
    user_header: str | None = None
    """Header in which a trusted proxy names the user that it has authenticated."""
    tls_cert: Path | None = None
    tls_key: Path | None = None
    zone: str = "America/Sao_Paulo"
    dagster_url: str = "http://127.0.0.1:3000"
    pool_size: int = 4
    link_keys: tuple[tuple[str, bytes], ...] = ()
    """Ids and secrets of the keys with which links to single orders may be signed."""
    archive: str | None = None
    """Folder or URL of the exported chats. The console reads attachments and unread lines from it."""
    public_url: str | None = None
    """The address that browsers use (CONSOLE_URL); None if it is not set."""

    @property
    def url(self) -> str:
        """The address of the console for a browser. Links to the console begin with it."""
        if self.public_url is not None:
            return self.public_url
        if self.proxies and self.hosts[0] not in _LOOPBACK_NAMES:
            # No port: browsers reach the proxy at the default port of HTTPS, not at the console's port.
            return f"https://{self.hosts[0]}"
        return f"{'https' if self.tls_cert else 'http'}://{self.hosts[0]}:{self.port}"

    def is_trusted_proxy(self, address: str) -> bool:
        """Return whether `address` is in the network of a trusted proxy."""
        try:
            peer = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(peer in network for network in self.proxies)


def console_config(settings: Settings, *, host: str, port: int) -> ConsoleConfig:
    """Return the console's configuration.

    Raises SettingError if the console would listen beyond this machine without TLS and without a proxy, or if
    a setting is malformed.
    """
    proxies = tuple(_parse_proxy_network(text) for text in settings.console_proxies)
    cert, key = settings.console_tls_cert, settings.console_tls_key
    if (cert is None) != (key is None):
        raise SettingError("CONSOLE_TLS_CERT and CONSOLE_TLS_KEY go together: set both or none")
    for name, path in (("CONSOLE_TLS_CERT", cert), ("CONSOLE_TLS_KEY", key)):
        if path is not None and not path.is_file():
            raise SettingError(f"{name}: there is no file {path}")
    if not is_loopback(host) and cert is None and not proxies:
        raise SettingError(
            f"the console does not listen on {host} without TLS: anybody on the network could read messages. "
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
    """Return whether `host` is a loopback address, which only this machine can reach."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def _parse_proxy_network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise SettingError(
            f"CONSOLE_PROXIES: {text!r} is no address; example: 10.0.0.5 or 10.0.0.0/24"
        ) from None
