"""The settings of the project: environment variable, type, default and description of each.

What belongs here: reading the process environment, `.env` in the checkout and files with secrets, and
checking each value. What does not: reading other files or a database. A value that does not fit raises a
SettingError that names the variable.

`.env.example` is generated from the descriptions below: `python -m whatsapp_pipeline.settings >
.env.example`. pydantic checks the values. pydantic-settings would replace only `load_settings` and add 0.12 s
of processor time to every command, so it is not used.
"""

from __future__ import annotations

import difflib
import os
import re
import socket
import textwrap
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
)
from pydantic.fields import FieldInfo

from whatsapp_pipeline.errors import SettingError

PROJECT_ROOT = Path(__file__).resolve().parents[1]
DOTENV = PROJECT_ROOT / ".env"
MONTH_PATTERN = r"\d{4}-(0[1-9]|1[0-2])"
"""A calendar month as text: 2025-01."""


def _matches(pattern: str, expected: str) -> AfterValidator:
    def check(value: str) -> str:
        if not re.fullmatch(pattern, value):
            raise ValueError(f"expected {expected}")
        return value

    return AfterValidator(check)


def _from_root(value: str | Path) -> Path:
    path = Path(value).expanduser()
    return path if path.is_absolute() else PROJECT_ROOT / path


def _url_or_path(value: str) -> str:
    return value.rstrip("/") if "://" in value else str(_from_root(value))


def _parts(value: object) -> object:
    return tuple(p.strip() for p in value.split(",") if p.strip()) if isinstance(value, str) else value


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


def _parts_or_none(value: object) -> object:
    return () if value == "none" else _parts(value)


def _known_zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError):
        raise ValueError("no such time zone; example: America/Sao_Paulo") from None
    return value


def _shares(value: object) -> object:
    if not isinstance(value, str):
        return value
    shares = []
    for part in (p.strip() for p in value.split(",") if p.strip()):
        check, _, share = part.partition("=")
        if not re.fullmatch(r"0(\.\d+)?|1(\.0+)?", share.strip()):
            raise ValueError(f"{part!r} is not check=share; example: chats_are_linked=0.4")
        shares.append((check.strip(), float(share)))
    return tuple(shares)


_Path = Annotated[Path, BeforeValidator(_from_root)]
_Place = Annotated[str, AfterValidator(_url_or_path)]
_List = Annotated[tuple[str, ...], BeforeValidator(_parts)]
_SecretList = Annotated[tuple[SecretStr, ...], BeforeValidator(_parts)]
_Count = Annotated[int, Field(ge=1, le=99_999)]
_Port = Annotated[int, Field(ge=1024, le=65535)]
_Share = Annotated[float, Field(ge=0, le=1)]
_Month = Annotated[str, _matches(MONTH_PATTERN, "a month such as 2025-01")]
_Locale = Annotated[str, _matches(r"[a-z]{2,3}([_-][A-Za-z]{2})?", "a locale such as pt_BR")]
_AreaCode = Annotated[str, _matches(r"[1-9][0-9]", "a two-digit area code such as 41")]
_HeaderName = Annotated[
    str,
    _matches(r"[A-Za-z0-9-]{1,60}", "the name of an HTTP header such as X-Remote-User"),
    AfterValidator(str.lower),
]
_HostName = Annotated[str, _matches(r"[\w.:-]{1,100}", "a name such as worker-1, without spaces")]
_WebAddress = Annotated[
    str,
    _matches(
        r"https?://[^\s/?#\"'<>]+(/[^\s?#\"'<>]*[^\s?#\"'<>/])?",
        "an address such as https://console.example.com",
    ),
]
_ModuleName = Annotated[
    str, _matches(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", "a module's name such as own_reports")
]
_CodeAddress = Annotated[
    str,
    _matches(
        r"https?://[^\s?#\"'<>]+?/(-/)?tree/[^\s?#\"'<>/]+",
        "an address with a branch or tag such as https://github.com/company/whatsapp-pipeline/tree/main",
    ),
]
_Schema = Annotated[
    str,
    _matches(
        r"(?!(?:public|before_pipeline)$)[a-z_][a-z0-9_]{0,62}",
        "a schema's name such as whatsapp, and not public",
    ),
]
_Checkpoint = Literal["contacts_complete", "files_indexed", "links_reviewed"]


def _setting(variable: str, description: str, default: object = None, *, example: str = "") -> Any:  # noqa: ANN401  # pydantic's Field is Any too
    """Declare a field: its variable, description, default, and its value in `.env.example`."""
    return Field(default, validation_alias=variable, description=description, examples=[example])


class Settings(BaseModel):
    """The settings of one process. A secret is a SecretStr, so that no log and no error shows it."""

    model_config = ConfigDict(
        frozen=True, validate_by_name=True, validate_by_alias=True, hide_input_in_errors=True
    )

    # --- Database
    database_url: SecretStr | None = _setting(
        "DATABASE_URL",
        "Any PostgreSQL 15 or newer. Default: the embedded server under .local/.",
        example="postgresql://user:password@host:5432/company",
    )
    pipeline_schema: _Schema | None = _setting(
        "PIPELINE_SCHEMA",
        "A schema for the pipeline's own tables, for a database in which other programs have tables of the "
        "same names in public. contatos and ordens_servico stay in public. Set it before the first "
        "migration.",
        example="whatsapp",
    )
    dagster_database_url: SecretStr | None = _setting(
        "DAGSTER_DATABASE_URL",
        "Dagster's own runs and events. Default: <database>_dagster beside DATABASE_URL.",
        example="postgresql://user:password@host:5432/dagster",
    )
    embedded_port: _Port | None = _setting(
        "EMBEDDED_PORT",
        "A port on which the embedded server listens for programs of this machine, with a password. "
        "Default: only the pipeline can connect. `whatsapp-pipeline db url` prints the address.",
        example="5433",
    )
    local_dir: _Path = _setting(
        "PIPELINE_LOCAL_DIR",
        "The folder of the embedded database, backups, keys and reports.",
        PROJECT_ROOT / ".local",
        example=".local",
    )

    # --- Chats
    archive: str | None = _setting(
        "CHAT_ARCHIVE",
        "Folder or URL with the exported chats by year and month. It is required if DATABASE_URL is set.",
        example="/data/organized_whatsapp_chats",
    )
    zone: Annotated[str, AfterValidator(_known_zone)] = _setting(
        "CHAT_TIME_ZONE",
        "The time zone of the exported files, which do not name one.",
        "America/Sao_Paulo",
        example="America/Sao_Paulo",
    )
    locale: _Locale = _setting(
        "CHAT_LOCALE",
        "The locale of the owner's phone. It decides the order of day and month if neither a chat nor the "
        "other files of the archive show it.",
        "pt_BR",
        example="pt_BR",
    )
    first_month: _Month = _setting(
        "FIRST_MONTH",
        "The first month of the archive. Partitions begin with this month.",
        "2025-01",
        example="2025-01",
    )
    owner: _List = _setting(
        "CHAT_OWNER",
        "Names or numbers of the staff side in native exports, separated by commas.",
        (),
        example="Assistência Exemplo",
    )
    max_missing_share: _Share = _setting(
        "MAX_MISSING_SHARE",
        "A run stops without writing if more than this share of a month's known files is missing from the "
        "archive.",
        0.5,
        example="0.5",
    )
    load_batch_size: Annotated[int, Field(ge=1, le=1000)] = _setting(
        "LOAD_BATCH_SIZE",
        "Number of files that chat_messages loads in one transaction (1 to 1000). If other people use the "
        "database, set 50 to 100.",
        800,
        example="800",
    )
    load_delay_seconds: Annotated[float, Field(ge=0, lt=10_000)] = _setting(
        "LOAD_DELAY_SECONDS",
        "Seconds that chat_messages pauses between two transactions. If other people use the database, set "
        "1.",
        0.0,
        example="0",
    )
    default_area_code: _AreaCode | None = _setting(
        "DEFAULT_AREA_CODE",
        "The area code of numbers written without one, such as (xx) 99999-9999.",
        example="41",
    )

    # --- ERP
    erp: str | None = _setting(
        "ERP",
        "`tiny`, or a folder of saved pages. Default: tiny if credentials are set; otherwise no ERP is "
        "read, and other programs fill contatos and ordens_servico.",
        example="tiny",
    )
    tiny_client_id: str | None = _setting("TINY_CLIENT_ID", "The id of your application at Tiny.")
    tiny_client_secret: SecretStr | None = _setting(
        "TINY_CLIENT_SECRET", "The secret of your application at Tiny."
    )
    tiny_refresh_token: SecretStr | None = _setting(
        "TINY_REFRESH_TOKEN",
        "A refresh token that you already have. `whatsapp-pipeline erp authorize` obtains the first one.",
    )
    tiny_base_url: str = _setting(
        "TINY_BASE_URL",
        "The address of Tiny's API, or of a compatible server.",
        "https://api.tiny.com.br/public-api/v3",
        example="https://api.tiny.com.br/public-api/v3",
    )
    tiny_token_url: str = _setting(
        "TINY_TOKEN_URL",
        "The address at which the refresh token is exchanged.",
        "https://accounts.tiny.com.br/realms/tiny/protocol/openid-connect/token",
        example="https://accounts.tiny.com.br/realms/tiny/protocol/openid-connect/token",
    )
    erp_backup_keep: _Count = _setting(
        "ERP_BACKUP_KEEP",
        "Number of passes over the contacts, and over the orders, of which the saved pages are kept in "
        "erp_backup (in SHARED_DIR or .local).",
        30,
        example="30",
    )
    erp_pass_minutes: _Count = _setting(
        "ERP_PASS_MINUTES",
        "Maximum number of minutes of a pass over the contacts, or over the orders, including pauses and "
        "retries. Then the pass ends, and the next run resumes it.",
        60,
        example="60",
    )

    # --- Webhooks
    whatsapp_app_secrets: _SecretList = _setting(
        "WHATSAPP_APP_SECRET",
        "The app secret that signs deliveries. While you rotate it, give several, separated by commas.",
        (),
    )
    whatsapp_verify_token: SecretStr | None = _setting(
        "WHATSAPP_VERIFY_TOKEN", "The token that you enter at Meta for the verification of the webhook."
    )
    whatsapp_enabled: bool = _setting(
        "WHATSAPP_ENABLED", "With false, `up` starts no webhook receiver.", True, example="true"
    )
    multitenant_enabled: bool = _setting(
        "MULTITENANT_ENABLED",
        "With true, deliveries for a phone_number_id that was never added are parked until it is added.",
        False,
        example="false",
    )
    whatsapp_spool_dir: _Path | None = _setting(
        "WHATSAPP_SPOOL_DIR",
        "The folder in which raw deliveries wait for the database. Default: .local/webhook-spool",
    )

    # --- Assistant (off by default)
    assistant_base_url: str | None = _setting("ASSISTANT_BASE_URL", "Any OpenAI-compatible endpoint.")
    assistant_model: str | None = _setting("ASSISTANT_MODEL", "The name of the model.")
    assistant_api_key: SecretStr | None = _setting("ASSISTANT_API_KEY", "The key of the endpoint.")
    assistant_system_prompt: str | None = _setting(
        "ASSISTANT_SYSTEM_PROMPT", "The text itself, or the path of a file that contains it."
    )
    assistant_run_seconds: _Count = _setting(
        "ASSISTANT_RUN_SECONDS",
        "Maximum number of seconds that one run uses for the assistant.",
        60,
        example="60",
    )
    assistant_run_tokens: Annotated[int, Field(ge=1, le=999_999_999)] = _setting(
        "ASSISTANT_RUN_TOKENS",
        "Number of tokens, counted by the endpoint, after which a run asks no further question.",
        200_000,
        example="200000",
    )

    # --- Operation
    backup_dir: _Path | None = _setting(
        "BACKUP_DIR",
        "The folder of backups. Default: .local/backups. Backups contain personal data: do not share the "
        "folder.",
        example="/backups/whatsapp",
    )
    backup_keep_daily: _Count = _setting(
        "BACKUP_KEEP_DAILY", "Number of days for which one backup per day is kept.", 7, example="7"
    )
    backup_keep_monthly: _Count = _setting(
        "BACKUP_KEEP_MONTHLY", "Number of months for which one backup per month is kept.", 12, example="12"
    )
    backup_before_write: bool = _setting(
        "BACKUP_BEFORE_WRITE",
        "With true, a backup is taken before a migration, and before the first write to a database that "
        "already has data.",
        True,
        example="true",
    )
    pg_bin_dir: _Path | None = _setting(
        "PG_BIN_DIR",
        "The folder of pg_dump, pg_restore and psql. Default: the embedded server's own, or the system's.",
        example="/usr/lib/postgresql/18/bin",
    )
    checkpoints: Annotated[tuple[_Checkpoint, ...], BeforeValidator(_parts_or_none)] = _setting(
        "CHECKPOINTS",
        "The checkpoints that must be met before the next phase: contacts_complete, files_indexed, "
        "links_reviewed; or none.",
        ("contacts_complete", "files_indexed"),
        example="contacts_complete,files_indexed",
    )
    check_tolerances: Annotated[tuple[tuple[str, float], ...], BeforeValidator(_shares)] = _setting(
        "CHECK_TOLERANCES",
        "The share of examined rows that may fail before a check fails, by check.",
        (),
        example="chats_are_linked=0.4,links_without_doubt=0.2",
    )
    schedule_cron: str | None = _setting(
        "SCHEDULE_CRON",
        "For trials: a cron expression for all schedules instead of their own, such as * * * * *",
    )
    report_dir: _Path | None = _setting("REPORT_DIR", "The folder of QA reports. Default: .local/reports")
    alert_webhook_url: SecretStr | None = _setting(
        "ALERT_WEBHOOK_URL", "A URL to which failed runs and checks are posted as JSON."
    )
    alert_email_to: _List = _setting(
        "ALERT_EMAIL_TO", "E-mail addresses that receive failed runs and checks, separated by commas.", ()
    )
    alert_email_from: str | None = _setting("ALERT_EMAIL_FROM", "The sender of these e-mails.")
    smtp_url: SecretStr | None = _setting(
        "SMTP_URL", "smtp://user:password@host:587 (with STARTTLS if the server offers it) or smtps://…:465"
    )

    # --- Several hosts
    several_hosts_setting: bool | None = _setting(
        "SEVERAL_HOSTS",
        "1: more than one host works on the same database. Each process then compares its code with the "
        "database's version before it works, and settings that only one host can use are refused. "
        "Default: 1 if CELERY_BROKER_URL is set.",
        example="1",
    )
    host_name: _HostName | None = _setting(
        "PIPELINE_HOST_NAME",
        "The name of this host in messages and in `privacy status`. Default: the machine's own name.",
        example="worker-1",
    )
    shared_dir: _Place | None = _setting(
        "SHARED_DIR",
        "A folder or URL that all hosts can reach, for the list of erased people, saved ERP pages, QA "
        "reports "
        "(without REPORT_DIR) and backups (without BACKUP_DIR). Default: .local of each host.",
        example="s3://bucket/pipeline",
    )
    celery_broker_url: SecretStr | None = _setting(
        "CELERY_BROKER_URL",
        "The queue between Dagster and Celery workers (docs/scale.md).",
        example="redis://broker:6379/0",
    )
    celery_result_backend: SecretStr | None = _setting(
        "CELERY_RESULT_BACKEND",
        "The store in which Celery workers keep the states of tasks; not rpc://.",
        example="redis://broker:6379/1",
    )

    # --- Privacy
    privacy_key: SecretStr | None = _setting(
        "PRIVACY_KEY",
        "The key for the hashes of erased people. Default: .local/privacy.key, which is created at the "
        "first erasure. Keep it with your other secrets: without it, erased people can't be recognised.",
    )
    retention_months: _Count | None = _setting(
        "RETENTION_MONTHS",
        "Chats older than this number of months are deleted from the database every week. Default: never.",
    )

    # --- Console
    console_hosts: _List = _setting(
        "CONSOLE_HOSTS",
        "Host names under which browsers reach the console, besides localhost, separated by commas.",
        (),
        example="console.example.com",
    )
    console_proxies: _List = _setting(
        "CONSOLE_PROXIES",
        "Addresses or networks of proxies whose X-Forwarded-For and X-Forwarded-Proto are trusted.",
        (),
        example="10.0.0.5,10.1.0.0/24",
    )
    console_user_header: _HeaderName | None = _setting(
        "CONSOLE_USER_HEADER",
        "The header in which such a proxy names the user that it has authenticated.",
        example="X-Remote-User",
    )
    console_tls_cert: _Path | None = _setting(
        "CONSOLE_TLS_CERT",
        "The certificate, if the console itself uses TLS. Without TLS and without a proxy, only this "
        "machine can reach the console.",
    )
    console_tls_key: _Path | None = _setting("CONSOLE_TLS_KEY", "The key of that certificate.")
    console_link_keys: _SecretList = _setting(
        "CONSOLE_LINK_KEYS",
        "Keys that sign links to single orders, as id:secret (docs/embed.md); two, separated by a comma and "
        "the new one first, while you rotate them.",
        (),
    )
    console_audit_months: _Count = _setting(
        "CONSOLE_AUDIT_MONTHS",
        "Number of months for which the record of who viewed whose messages is kept.",
        24,
        example="24",
    )
    console_url: _WebAddress = _setting(
        "CONSOLE_URL",
        "The address with which links to the console begin.",
        "http://localhost:8090",
        example="https://console.example.com",
    )
    definitions_module: _ModuleName = _setting(
        "DEFINITIONS_MODULE",
        "The Python module whose `defs` Dagster loads; for assets of your own beside the pipeline's "
        "(docs/extend.md).",
        "whatsapp_pipeline.definitions",
        example="own_reports",
    )
    code_url: _CodeAddress | None = _setting(
        "CODE_URL",
        "The address of this version's source on GitHub or GitLab. Dagster's page of an asset links to it. "
        "Default: the page links to the file on this machine.",
        example="https://github.com/company/whatsapp-pipeline/tree/main",
    )
    dagster_ui_url: _WebAddress = _setting(
        "DAGSTER_UI_URL",
        "The address of Dagster's UI, for links to runs.",
        "http://127.0.0.1:3000",
        example="http://127.0.0.1:3000",
    )

    # --- Logs
    log_format: Literal["text", "json"] = _setting(
        "LOG_FORMAT", "text, or json: one object per line.", "text", example="text"
    )
    log_level: Annotated[Literal["info", "debug"], BeforeValidator(_lower)] = _setting(
        "LOG_LEVEL",
        "info, or debug: one more line for each file, chat and conversation (`whatsapp-pipeline --verbose …` "
        "does it once).",
        "info",
        example="info",
    )

    @field_validator("celery_result_backend")
    @classmethod
    def _refuse_rpc(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and value.get_secret_value().partition(":")[0].lower() == "rpc":
            raise ValueError(
                "rpc:// forgets the state of a task when its worker ends; set an address such as "
                "redis://broker:6379/1"
            )
        return value

    @property
    def erp_source(self) -> str | None:
        """The ERP to read; None if other programs fill the tables.

        The sample pages in data/ are used only if both the database and the archive are those of the sample,
        so that invented contacts never get into a user's data.
        """
        if self.erp:
            return self.erp
        if self.tiny_client_id:
            return "tiny"
        return None if self.database_url or self.archive else str(PROJECT_ROOT / "data" / "erp")

    @property
    def archive_root(self) -> str | None:
        """The archive to read.

        For the embedded database, the default is the sample in data/; otherwise it is None.
        """
        if self.archive or self.database_url:
            return self.archive
        return str(PROJECT_ROOT / "data" / "organized_whatsapp_chats")

    @property
    def several_hosts(self) -> bool:
        """True if more than one host works on the database. Celery workers count as other hosts."""
        if self.several_hosts_setting is None:
            return self.celery_broker_url is not None
        return self.several_hosts_setting

    @property
    def why_several_hosts(self) -> str:
        """The setting that makes `several_hosts` true, for error messages."""
        return "SEVERAL_HOSTS=1" if self.several_hosts_setting else "CELERY_BROKER_URL"

    @property
    def host(self) -> str:
        """The name of this host, for people."""
        return self.host_name or socket.gethostname()

    @property
    def tzinfo(self) -> ZoneInfo:
        """The time zone of the archive's naive times."""
        return ZoneInfo(self.zone)


def variable_of(field_name: str) -> str:
    """Return the environment variable of a field, for error messages."""
    return str(Settings.model_fields[field_name].validation_alias)


def from_mapping(environment: Mapping[str, str]) -> Settings:
    """Read the settings from `environment`. An empty variable counts as not set.

    Raises SettingError with the variable, its value and the expected form.
    """
    variables = {variable_of(name) for name in Settings.model_fields}
    values = {name: value.strip() for name, value in environment.items() if name in variables}
    try:
        return Settings.model_validate({name: value for name, value in values.items() if value})
    except ValidationError as error:
        raise SettingError(_describe_error(error, values)) from None


def _describe_error(error: ValidationError, values: Mapping[str, str]) -> str:
    first = error.errors()[0]
    variable = str(first["loc"][0])
    reason = first["msg"].removeprefix("Value error, ").removeprefix("Input ")
    is_secret = any(variable_of(n) == variable and _is_secret(f) for n, f in Settings.model_fields.items())
    return f"{variable}: {reason}" if is_secret else f"{variable}={values[variable]!r}: {reason}"


@cache
def _dotenv() -> Mapping[str, str]:
    from dotenv import dotenv_values

    return {name: value for name, value in dotenv_values(DOTENV).items() if value is not None}


def load_settings() -> Settings:
    """Read the settings of this process from its environment and, for missing variables, from `.env`."""
    given = {**_dotenv(), **os.environ}
    return from_mapping({**given, **_secrets_in_files(given)})


def _secrets_in_files(given: Mapping[str, str]) -> dict[str, str]:
    """Return the secrets that are given as files, such as DATABASE_URL_FILE=/run/secrets/database_url.

    An empty variable counts as not set here, too. Raises SettingError if a file is empty or can't be read,
    and if the variable itself is set, too. The error does not contain the path, because a person may have put
    the secret itself there.
    """
    found = {}
    for name, field in Settings.model_fields.items():
        variable = variable_of(name)
        path = given.get(f"{variable}_FILE")
        if not path or not _is_secret(field):
            continue
        if given.get(variable):
            raise SettingError(f"{variable} and {variable}_FILE are both set; remove one of them")
        try:
            found[variable] = Path(path).read_text(encoding="utf-8").strip()
        except (OSError, ValueError) as error:  # a ValueError of a path with a null, or of text not in UTF-8
            raise SettingError(
                f"{variable}_FILE: the file can't be read ({type(error).__name__}); "
                "set it to the path of a text file with the secret"
            ) from None
        if not found[variable]:
            raise SettingError(f"{variable}_FILE: the file is empty; write the secret into it")
    return found


def _is_secret(field: FieldInfo) -> bool:
    return SecretStr in (field.annotation, *get_args(field.annotation))


def file_variables() -> list[str]:
    """Return the variables for paths of files with secrets: the variable of each secret, with `_FILE`."""
    return [f"{variable_of(name)}_FILE" for name, field in Settings.model_fields.items() if _is_secret(field)]


def unknown_in_dotenv() -> list[str]:
    """Return one line per name in `.env` that is no setting of this project, with a likely correction.

    They are not refused, because Dagster and other programs read the same file.
    """
    known = [*(variable_of(name) for name in Settings.model_fields), *file_variables()]
    lines = []
    for name in _dotenv():
        if name not in known and not name.startswith(("DAGSTER_", "PG")):
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.8)
            lines.append(
                f".env: {name} is no setting of this project" + (f"; is {near[0]} meant?" if near else "")
            )
    return lines


# The first field of each section of `.env.example`, and the section's title.
_SECTIONS = {
    "database_url": "Database",
    "archive": "Chats",
    "erp": "ERP",
    "whatsapp_app_secrets": "Webhooks",
    "assistant_base_url": "Assistant (off by default)",
    "backup_dir": "Operation",
    "several_hosts_setting": "Several hosts (docs/scale.md)",
    "privacy_key": "Privacy",
    "console_hosts": "Console",
    "log_format": "Logs",
}


def example_file() -> str:
    """Return the text of `.env.example`: every setting, commented out, below its description."""
    lines = [
        "# Copy to .env and fill in what you need: everything has a default that works for the demo.",
        "# Variables of the environment take precedence over this file. The value of a secret may be in a "
        "file;",
        "# then set the variable with _FILE to its path: DATABASE_URL_FILE=/run/secrets/database_url.",
    ]
    for name, field in Settings.model_fields.items():
        if title := _SECTIONS.get(name):
            lines += ["", f"# --- {title} ".ljust(106, "-")]
        lines += textwrap.wrap(field.description or "", 116, initial_indent="# ", subsequent_indent="# ")
        lines.append(f"# {variable_of(name)}={(field.examples or [''])[0]}")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(example_file(), end="")  # noqa: T201  # this is what the module is run for
