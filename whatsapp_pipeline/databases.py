"""The databases of the project: the user's, or those of the embedded server.

What belongs here: turning settings into the URL of the pipeline's database and of Dagster's own. What does
not: starting the embedded server (embedded.py) and opening connections (store/connection.py).
"""

from __future__ import annotations

import contextlib

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from whatsapp_pipeline.embedded import DAGSTER_DATABASE, PIPELINE_DATABASE, server_url, tcp_url
from whatsapp_pipeline.errors import SettingError
from whatsapp_pipeline.run_hosts import refuse_unshared_runs
from whatsapp_pipeline.settings import Settings
from whatsapp_pipeline.store.connection import connect, describe
from whatsapp_pipeline.store.server_databases import create_database, role_rights


def pipeline_url(settings: Settings) -> str:
    """Return the URL of the pipeline's database. Without DATABASE_URL, start or join the embedded server.

    Raises SettingError for PIPELINE_SCHEMA without DATABASE_URL, because the setting would have no effect,
    and for settings of one host if each run has its own host.
    """
    refuse_unshared_runs(settings)
    if not settings.database_url:
        _refuse_embedded_server(settings)
        if settings.pipeline_schema:
            raise SettingError(
                f"PIPELINE_SCHEMA={settings.pipeline_schema} needs DATABASE_URL: nothing else is in the "
                "embedded database; set DATABASE_URL, or leave PIPELINE_SCHEMA unset"
            )
        return server_url(settings.local_dir, PIPELINE_DATABASE, port=settings.embedded_port)
    url = settings.database_url.get_secret_value()
    describe(url)  # raises a one-line error if the text is not a URL
    if settings.pipeline_schema is None:
        return url
    # The pipeline creates and finds its tables in its schema. It finds contatos and ordens_servico in public.
    options = conninfo_to_dict(url).get("options") or ""
    path = f"{options} -csearch_path={settings.pipeline_schema},public".strip()
    return make_conninfo(url, options=path)


def _refuse_embedded_server(settings: Settings) -> None:
    """Raise SettingError if several hosts would each start an embedded server."""
    if settings.several_hosts:
        raise SettingError(
            f"{settings.why_several_hosts} needs DATABASE_URL: the embedded server serves one host. Set "
            "DATABASE_URL to a PostgreSQL that all hosts reach, or set SEVERAL_HOSTS=0 if there is only this "
            "host"
        )


def shared_url(settings: Settings) -> str:
    """Return the URL of the pipeline's database for another program on this machine.

    It is DATABASE_URL, with PIPELINE_SCHEMA in the search path, or the port of the embedded server. Raises
    SettingError when the embedded server has no port.
    """
    if settings.database_url:
        return pipeline_url(settings)
    _refuse_embedded_server(settings)
    if settings.embedded_port is None:
        raise SettingError(
            "the embedded PostgreSQL has no address yet; set EMBEDDED_PORT in .env, for example to 5433, "
            "stop `up`, `serve` and other commands, and start again"
        )
    pipeline_url(settings)
    return tcp_url(settings.local_dir, PIPELINE_DATABASE, settings.embedded_port)


def dagster_url(settings: Settings) -> str:
    """Return the URL of Dagster's own database, which is separate from the pipeline's.

    It is DAGSTER_DATABASE_URL if that is set. Otherwise, with DATABASE_URL, it is the database
    `<database>_dagster` on the same server, which is created if it is missing. Otherwise it is a database of
    the embedded server. Raises SettingError if the database is missing and can't be created, or if several
    hosts have no common server. Raises PipelineError if the server can't be reached.
    """
    if settings.dagster_database_url:
        return settings.dagster_database_url.get_secret_value()
    if not settings.database_url:
        _refuse_embedded_server(settings)
        return server_url(settings.local_dir, DAGSTER_DATABASE, port=settings.embedded_port)
    users = settings.database_url.get_secret_value()
    describe(users)
    name = f"{conninfo_to_dict(users).get('dbname') or 'postgres'}_dagster"
    url = make_conninfo(users, dbname=name)
    with contextlib.suppress(psycopg.OperationalError), psycopg.connect(url, connect_timeout=5):
        return url
    try:
        with connect(users) as conn:
            create_database(conn, name)
    except psycopg.Error as error:
        raise SettingError(
            f"Dagster stores its runs in a separate database, and {name!r} could not be opened or created; "
            "create it, or set DAGSTER_DATABASE_URL"
        ) from error
    return url


def missing_dagster_database(settings: Settings) -> str | None:
    """Return why Dagster's database can't be opened or created later; None if it can.

    This creates nothing. `migrate` calls it, so that a role without CREATEDB gets this warning before the
    first run.
    """
    if settings.dagster_database_url or not settings.database_url:
        return None
    url = settings.database_url.get_secret_value()
    name = f"{conninfo_to_dict(url).get('dbname') or 'postgres'}_dagster"
    with contextlib.suppress(psycopg.OperationalError):
        psycopg.connect(make_conninfo(url, dbname=name), connect_timeout=5).close()
        return None
    role, may_create, exists = role_rights(url, name)
    if exists:
        return (
            f"the role {role} can't open the database {name}, where Dagster stores its runs; "
            "allow it to connect to that database"
        )
    if may_create:
        return None
    return (
        f"the role {role} may not create databases, and Dagster stores its runs in a separate one. As an "
        f'administrator: CREATE DATABASE "{name}" OWNER "{role}" TEMPLATE template0; '
        "or set DAGSTER_DATABASE_URL"
    )


def sqlalchemy_url(url: str) -> str:
    """Return a libpq URL in SQLAlchemy's form for dagster-postgres, with psycopg2 as the driver."""
    from sqlalchemy import URL

    parts = {key: str(value) for key, value in conninfo_to_dict(url).items() if value is not None}
    known = {name: parts.pop(name, None) for name in ("user", "password", "dbname")}
    host, port = parts.pop("host", None), parts.pop("port", None)
    if host and host.startswith("/"):  # SQLAlchemy expects a socket directory in the query part
        parts["host"], host = host, None
        if port:
            parts["port"], port = port, None
    return URL.create(
        "postgresql+psycopg2",
        known["user"],
        known["password"],
        host,
        int(port) if port else None,
        known["dbname"],
        parts,
    ).render_as_string(hide_password=False)
