"""The environment, typed, in one place.

What belongs here: every variable the project reads, with its default and what it takes. What does not:
reading anything else (files, databases). A variable that is malformed is an error that names it.
Values come from the process environment, completed by `.env` in the checkout.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from whatsapp_pipeline.errors import SettingError

PROJECT_ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, slots=True)
class Settings:
    """What the environment says. Secrets have no repr, so that no log shows them."""

    database_url: str | None = field(default=None, repr=False)
    dagster_database_url: str | None = field(default=None, repr=False)
    pipeline_schema: str | None = None
    local_dir: Path = PROJECT_ROOT / ".local"
    archive: str | None = None
    zone: str = "America/Sao_Paulo"
    locale: str = "pt_BR"
    first_month: str = "2025-01"
    default_area_code: str | None = None
    owner: tuple[str, ...] = ()
    log_format: str = "text"
    log_level: str = "info"
    erp: str | None = None
    tiny_base_url: str = "https://api.tiny.com.br/public-api/v3"
    tiny_token_url: str = "https://accounts.tiny.com.br/realms/tiny/protocol/openid-connect/token"  # noqa: S105
    tiny_client_id: str | None = None
    tiny_client_secret: str | None = field(default=None, repr=False)
    tiny_refresh_token: str | None = field(default=None, repr=False)
    erp_backup_keep: int = 30
    erp_pass_minutes: int = 60
    whatsapp_enabled: bool = True
    whatsapp_app_secrets: tuple[str, ...] = field(default=(), repr=False)
    whatsapp_verify_token: str | None = field(default=None, repr=False)
    whatsapp_spool_dir: Path | None = None
    multitenant_enabled: bool = False
    assistant_base_url: str | None = None
    assistant_model: str | None = None
    assistant_api_key: str | None = field(default=None, repr=False)
    assistant_system_prompt: str | None = None
    assistant_run_seconds: int = 60
    assistant_run_tokens: int = 200_000
    backup_dir: Path | None = None
    backup_keep_daily: int = 7
    backup_keep_monthly: int = 12
    backup_before_write: bool = True
    pg_bin_dir: Path | None = None
    privacy_key: str | None = field(default=None, repr=False)
    retention_months: int | None = None
    max_missing_share: float = 0.5
    load_batch_size: int = 800
    load_delay_seconds: float = 0.0
    checkpoints: tuple[str, ...] = ("contacts_complete", "files_indexed")
    check_tolerances: tuple[tuple[str, float], ...] = ()
    report_dir: Path | None = None
    schedule_cron: str | None = None
    alert_webhook_url: str | None = field(default=None, repr=False)
    alert_email_to: tuple[str, ...] = ()
    alert_email_from: str | None = None
    smtp_url: str | None = field(default=None, repr=False)

    @property
    def erp_source(self) -> str | None:
        """The ERP to read, None where other programs fill the tables.

        The sample pages in data/ count only while both the database and the archive are the sample's own:
        invented contacts never reach a user's data.
        """
        if self.erp:
            return self.erp
        if self.tiny_client_id:
            return "tiny"
        return None if self.database_url or self.archive else str(PROJECT_ROOT / "data" / "erp")

    @property
    def tzinfo(self) -> ZoneInfo:
        """The zone in which the archive's naive times are read."""
        return ZoneInfo(self.zone)


def _text(name: str, value: str) -> str:
    return value


def _path(name: str, value: str) -> Path:
    path = Path(value).expanduser()
    return path if path.is_absolute() else PROJECT_ROOT / path


def _flag(name: str, value: str) -> bool:
    lowered = value.strip().lower()
    if lowered in {"1", "true", "yes", "on"}:
        return True
    if lowered in {"0", "false", "no", "off"}:
        return False
    raise SettingError(f"{name}={value!r}: expected true or false")


def _list(name: str, value: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in value.split(",") if part.strip())


def _zone(name: str, value: str) -> str:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError):
        raise SettingError(f"{name}={value!r}: no such time zone; example: America/Sao_Paulo") from None
    return value


def _locale(name: str, value: str) -> str:
    if not re.fullmatch(r"[a-z]{2,3}([_-][A-Za-z]{2})?", value):
        raise SettingError(f"{name}={value!r}: expected a locale such as pt_BR")
    return value


def _month(name: str, value: str) -> str:
    if not re.fullmatch(r"\d{4}-(0[1-9]|1[0-2])", value):
        raise SettingError(f"{name}={value!r}: expected a month such as 2025-01")
    return value


def _schema(name: str, value: str) -> str:
    if not re.fullmatch(r"[a-z_][a-z0-9_]{0,62}", value) or value in {"public", "before_pipeline"}:
        raise SettingError(f"{name}={value!r}: expected a schema's name such as whatsapp, and not public")
    return value


def _area_code(name: str, value: str) -> str:
    if not re.fullmatch(r"[1-9][0-9]", value):
        raise SettingError(f"{name}={value!r}: expected a two-digit area code such as 41")
    return value


def _log_format(name: str, value: str) -> str:
    if value not in {"text", "json"}:
        raise SettingError(f"{name}={value!r}: expected text or json")
    return value


def _log_level(name: str, value: str) -> str:
    if value.lower() not in {"info", "debug"}:
        raise SettingError(f"{name}={value!r}: expected info or debug")
    return value.lower()


def _count(name: str, value: str) -> int:
    if not re.fullmatch(r"\d{1,5}", value) or int(value) < 1:
        raise SettingError(f"{name}={value!r}: expected a whole number from 1")
    return int(value)


def _large_count(name: str, value: str) -> int:
    if not re.fullmatch(r"\d{1,9}", value) or int(value) < 1:
        raise SettingError(f"{name}={value!r}: expected a whole number from 1 to 999999999")
    return int(value)


def _checkpoints(name: str, value: str) -> tuple[str, ...]:
    known = ("contacts_complete", "files_indexed", "links_reviewed")
    chosen = () if value == "none" else _list(name, value)
    if unknown := [part for part in chosen if part not in known]:
        raise SettingError(f"{name}: {unknown[0]!r} is no checkpoint; there are {', '.join(known)}, or none")
    return chosen


def _batch_size(name: str, value: str) -> int:
    if not re.fullmatch(r"\d{1,4}", value) or not 1 <= int(value) <= 1000:
        raise SettingError(f"{name}={value!r}: expected a number of files from 1 to 1000")
    return int(value)


def _seconds(name: str, value: str) -> float:
    if not re.fullmatch(r"\d{1,4}(\.\d+)?", value):
        raise SettingError(f"{name}={value!r}: expected seconds such as 0.5")
    return float(value)


def _share(name: str, value: str) -> float:
    if not re.fullmatch(r"0(\.\d+)?|1(\.0+)?", value):
        raise SettingError(f"{name}={value!r}: expected a share from 0 to 1, such as 0.5")
    return float(value)


def _shares(name: str, value: str) -> tuple[tuple[str, float], ...]:
    shares = []
    for part in _list(name, value):
        check, _, share = part.partition("=")
        if not re.fullmatch(r"0(\.\d+)?|1(\.0+)?", share.strip()):
            raise SettingError(f"{name}: {part!r} is not check=share; example: chats_are_linked=0.4")
        shares.append((check.strip(), float(share)))
    return tuple(shares)


# Field → (variable, parser). A variable that is set but empty counts as not set.
_VARIABLES = {
    "database_url": ("DATABASE_URL", _text),
    "pipeline_schema": ("PIPELINE_SCHEMA", _schema),
    "dagster_database_url": ("DAGSTER_DATABASE_URL", _text),
    "local_dir": ("PIPELINE_LOCAL_DIR", _path),
    "archive": ("CHAT_ARCHIVE", _text),
    "zone": ("CHAT_TIME_ZONE", _zone),
    "locale": ("CHAT_LOCALE", _locale),
    "first_month": ("FIRST_MONTH", _month),
    "default_area_code": ("DEFAULT_AREA_CODE", _area_code),
    "owner": ("CHAT_OWNER", _list),
    "log_format": ("LOG_FORMAT", _log_format),
    "log_level": ("LOG_LEVEL", _log_level),
    "erp": ("ERP", _text),
    "tiny_base_url": ("TINY_BASE_URL", _text),
    "tiny_token_url": ("TINY_TOKEN_URL", _text),
    "tiny_client_id": ("TINY_CLIENT_ID", _text),
    "tiny_client_secret": ("TINY_CLIENT_SECRET", _text),
    "tiny_refresh_token": ("TINY_REFRESH_TOKEN", _text),
    "erp_backup_keep": ("ERP_BACKUP_KEEP", _count),
    "erp_pass_minutes": ("ERP_PASS_MINUTES", _count),
    "whatsapp_enabled": ("WHATSAPP_ENABLED", _flag),
    "whatsapp_app_secrets": ("WHATSAPP_APP_SECRET", _list),
    "whatsapp_verify_token": ("WHATSAPP_VERIFY_TOKEN", _text),
    "whatsapp_spool_dir": ("WHATSAPP_SPOOL_DIR", _path),
    "multitenant_enabled": ("MULTITENANT_ENABLED", _flag),
    "assistant_base_url": ("ASSISTANT_BASE_URL", _text),
    "assistant_model": ("ASSISTANT_MODEL", _text),
    "assistant_api_key": ("ASSISTANT_API_KEY", _text),
    "assistant_system_prompt": ("ASSISTANT_SYSTEM_PROMPT", _text),
    "assistant_run_seconds": ("ASSISTANT_RUN_SECONDS", _count),
    "assistant_run_tokens": ("ASSISTANT_RUN_TOKENS", _large_count),
    "backup_dir": ("BACKUP_DIR", _path),
    "backup_keep_daily": ("BACKUP_KEEP_DAILY", _count),
    "backup_keep_monthly": ("BACKUP_KEEP_MONTHLY", _count),
    "backup_before_write": ("BACKUP_BEFORE_WRITE", _flag),
    "pg_bin_dir": ("PG_BIN_DIR", _path),
    "privacy_key": ("PRIVACY_KEY", _text),
    "retention_months": ("RETENTION_MONTHS", _count),
    "max_missing_share": ("MAX_MISSING_SHARE", _share),
    "load_batch_size": ("LOAD_BATCH_SIZE", _batch_size),
    "load_delay_seconds": ("LOAD_DELAY_SECONDS", _seconds),
    "checkpoints": ("CHECKPOINTS", _checkpoints),
    "check_tolerances": ("CHECK_TOLERANCES", _shares),
    "schedule_cron": ("SCHEDULE_CRON", _text),
    "report_dir": ("REPORT_DIR", _path),
    "alert_webhook_url": ("ALERT_WEBHOOK_URL", _text),
    "alert_email_to": ("ALERT_EMAIL_TO", _list),
    "alert_email_from": ("ALERT_EMAIL_FROM", _text),
    "smtp_url": ("SMTP_URL", _text),
}


def from_mapping(environment: Mapping[str, str]) -> Settings:
    """Read the settings from `environment`; raises SettingError naming the variable that is malformed."""
    values: dict[str, object] = {}
    for name, (variable, parse) in _VARIABLES.items():
        if raw := environment.get(variable, "").strip():
            values[name] = parse(variable, raw)
    return Settings(**values)  # type: ignore[arg-type]  # each parser above returns its field's type


@cache
def load_dotenv_once() -> None:
    """Complete the environment from `.env` in the checkout, once a process; what is set already wins."""
    from dotenv import load_dotenv

    load_dotenv(PROJECT_ROOT / ".env", override=False)


def load() -> Settings:
    """Read the settings of this process (environment, then `.env`)."""
    load_dotenv_once()
    return from_mapping(os.environ)


def variable_of(field_name: str) -> str:
    """Name the environment variable behind a settings field, for error messages."""
    return _VARIABLES[field_name][0]


assert {f.name for f in fields(Settings)} == set(_VARIABLES)  # noqa: S101  # a field nobody can set is a slip
