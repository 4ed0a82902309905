"""The roles of the database, and the rights of each role.

What belongs here: the statements that create roles and grant rights. What does not: people's own logins,
which an administrator makes members of a role with `GRANT whatsapp_reader TO maria`.
"""

from __future__ import annotations

import re

import psycopg
from psycopg import sql

from whatsapp_pipeline.store.connection import Connection, one_row
from whatsapp_pipeline.store.migrate import CHECKSUMS_TABLE, MIGRATIONS_DIR, MIGRATIONS_TABLE

READER, ANALYST, WRITER = "whatsapp_reader", "whatsapp_analyst", "whatsapp_writer"
REVIEWER = "whatsapp_reviewer"
"""The role of analysts who may also decide on links and give verdicts."""
CONSOLE = "whatsapp_console"
"""The role of the login with which the console reads users and manages their sessions.

It may read and write only the tables of `_CONSOLE_RIGHTS`.
"""
MANAGER = "whatsapp_manager"
"""The role of programs that manage tenants and business numbers.

Of other tables, it may read and set only the tenants of conversations and leads.
"""
ROLES = (READER, ANALYST, REVIEWER, WRITER, CONSOLE, MANAGER)

# The tables that a reader may read: customers' summaries and metrics, and results of the pipeline. They have
# no messages and no phones.
_READER_TABLES = (
    "customer_chat_summaries",
    "customer_conversations",
    "commitments",
    "link_runs",
    "webhook_batches",
    "checkpoint_waivers",
    "pauses",
    "customer_notes",
    "handled_cases",
    "stale_summaries",
    "sessions_all",
    "open_cases",
    "v_chats",
    "v_customers",
    "v_orders",
    "v_open_cases",
    "v_link_quality",
    "unread_counts",
    "webhook_health",
)
_READER_COLUMNS = {
    "contatos": ("id", "nome"),
    "chat_files": (
        "id",
        "month",
        "chat_number",
        "is_group",
        "duplicate_of",
        "format",
        "first_message_at",
        "last_message_at",
        "message_count",
        "processing_status",
        "id_contato",
        "match_status",
        "match_method",
        "match_confidence",
        "match_flags",
        "id_ordem_servico",
        "order_match_method",
        "created_at",
        "updated_at",
    ),
    "ordens_servico": (
        "id",
        "numero_ordem_servico",
        "situacao",
        "data_emissao",
        "data_prevista",
        "data_conclusao",
        "equipamento",
        "id_contato",
    ),
    "qa_results": ("check_name", "month", "examined", "failing", "severity", "run_id", "evaluated_at"),
}
# The console's own tables. Of the roles that read customers' data, only the writer may read them. The
# console's role may read nothing else.
_CONSOLE_RIGHTS = {
    "console_users": "SELECT",
    "console_sessions": "SELECT, INSERT, UPDATE, DELETE",
    "console_login_links": "SELECT, DELETE",
    "console_login_failures": "SELECT, INSERT, UPDATE, DELETE",
    "api_tokens": "SELECT",
}
# A manager who adds a business number also sets the tenant of its conversations and leads, and makes its
# deliveries due.
_MANAGER_RIGHTS = {"tenants": "SELECT, INSERT", "whatsapp_accounts": "SELECT, INSERT, UPDATE"}
_TENANTED = ("conversations", "leads")
_UNPARK = sql.SQL("unpark_deliveries(text)")
# The rights to change rows that people of each level have in the console.
_ANALYST_WRITES = {"customer_notes": "INSERT, UPDATE, DELETE", "handled_cases": "INSERT, UPDATE, DELETE"}
_REVIEWER_WRITES = {
    **_ANALYST_WRITES,
    "link_overrides": "INSERT, UPDATE",
    "stale_summaries": "INSERT, UPDATE",
    "review_verdicts": "INSERT",
    "review_snoozes": "INSERT, UPDATE, DELETE",
    "match_candidates": "INSERT, UPDATE, DELETE",
    "link_runs": "INSERT",
    "chat_rereads": "INSERT, UPDATE",
}
# A decision changes links at once, so a reviewer may update these columns.
_REVIEWER_COLUMNS = {
    "chat_files": (
        "parse_options",
        "match_status",
        "match_method",
        "match_confidence",
        "match_flags",
        "id_contato",
        "id_ordem_servico",
        "order_match_method",
        "processing_status",
        "updated_at",
    ),
    "chat_sessions": (
        "order_match_status",
        "order_match_method",
        "order_match_confidence",
        "id_ordem_servico",
    ),
    "conversations": (
        "match_status",
        "match_method",
        "match_confidence",
        "match_flags",
        "id_contato",
        "link_inputs",
        "order_inputs",
        "updated_at",
    ),
    "review_verdicts": ("withdrawn_at",),
}
# Functions that the views of dashboards call. A role that queries such a view needs the right to execute
# them.
_VIEW_FUNCTIONS = sql.SQL("view_contacts(), view_orders()")
_RECORD_VIEWS = sql.SQL("console_record_views(bytea, text, bytea[])")
_REFRESH = sql.SQL("refresh_review_queue(text, bigint[]), repair_review_queue(text, text)")
_REPLAY = sql.SQL("replay_dead_deliveries(bytea, bigint[])")
# A role that exports may register its files, but may not read the list of files.
_REGISTER = sql.SQL(
    "register_data_file(uuid, text, text, text, text, bytea, text, text), "
    "finish_data_file(uuid, bigint, bigint)"
)
# Tables that analysts and reviewers may not read: raw deliveries, the ERP's tokens, the tables for erasures,
# the registered files, the logs of actions and views, and the console's own tables.
_NO_ANALYST = {
    "webhook_inbox",
    "webhook_events",
    "pipeline_erp_tokens",
    "privacy_suppressions",
    "privacy_key",
    "privacy_erasures",
    "privacy_hosts",
    "privacy_confirmations",
    "data_files",
    "audit_log",
    "console_views",
    *_CONSOLE_RIGHTS,
}
# Tables to which the writer may only add rows.
_APPEND_ONLY = {"audit_log"}
# The user's own tables. The writer may fill them but not delete from them.
_ADOPTED = {"contatos", "ordens_servico"}


def statements(conn: Connection) -> list[str]:
    """Return the SQL that creates the roles and sets their rights, in order. It can be executed again."""
    tables = _pipeline_tables(conn)
    made: list[sql.Composable] = [_create(role) for role in ROLES]
    row = one_row(conn.execute("SELECT current_database(), current_schema()"))
    database, schema = (sql.Identifier(name) for name in row)
    everyone = sql.SQL(", ").join(sql.Identifier(role) for role in ROLES)
    made.append(sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(database, everyone))
    made.append(sql.SQL("GRANT USAGE ON SCHEMA {} TO {}").format(schema, everyone))
    # All rights on a table are revoked first, so that no old grant remains on a table that is no longer in a
    # list.
    made += [sql.SQL("REVOKE ALL ON {} FROM {}").format(sql.Identifier(table), everyone) for table in tables]
    made += _reader(tables)
    for table in tables:
        if table == CHECKSUMS_TABLE:
            continue  # granted below; only the owner, who migrates, may write to it
        if table not in _NO_ANALYST:
            made += [_grant("SELECT", table, role) for role in (ANALYST, REVIEWER)]
        rights = "SELECT, INSERT" if table in _APPEND_ONLY else "SELECT, INSERT, UPDATE"
        made.append(
            _grant(rights if table in _APPEND_ONLY | _ADOPTED else f"{rights}, DELETE", table, WRITER)
        )
    # Every program first checks whether the schema is current. For this it reads the tables with versions and
    # checksums.
    made += [
        _grant("SELECT", table, role)
        for table in (MIGRATIONS_TABLE, CHECKSUMS_TABLE)
        for role in (READER, ANALYST, REVIEWER, WRITER)
    ]
    made.append(
        sql.SQL("GRANT USAGE ON ALL SEQUENCES IN SCHEMA {} TO {}").format(schema, sql.Identifier(WRITER))
    )
    made += _console(tables)
    if "review_queue" in tables:  # linking a month refreshes the month's rows once, at the end
        made.append(sql.SQL("GRANT EXECUTE ON FUNCTION {} TO {}").format(_REFRESH, sql.Identifier(WRITER)))
    people = sql.SQL(", ").join(map(sql.Identifier, (READER, ANALYST, REVIEWER, WRITER)))
    if "data_files" in tables:
        made.append(sql.SQL("GRANT EXECUTE ON FUNCTION {} TO {}").format(_REGISTER, people))
    if "v_orders" in tables:
        made.append(sql.SQL("GRANT EXECUTE ON FUNCTION {} TO {}").format(_VIEW_FUNCTIONS, people))
    return [statement.as_string(conn) for statement in made]


def apply(conn: Connection) -> list[str]:
    """Create the roles and set their rights.

    If the server refuses one of the statements, nothing changes, and all statements are returned for an
    administrator. Otherwise the list is empty.
    """
    todo = statements(conn)
    try:
        with conn.transaction():
            for statement in todo:
                conn.execute(statement.encode())
    except (psycopg.errors.InsufficientPrivilege, psycopg.errors.UndefinedObject):
        return todo
    return []


def _reader(tables: list[str]) -> list[sql.Composable]:
    granted = [_grant("SELECT", table, READER) for table in _READER_TABLES if table in tables]
    for table, columns in _READER_COLUMNS.items():
        names = sql.SQL(", ").join(sql.Identifier(name) for name in columns)
        granted.append(
            sql.SQL("GRANT SELECT ({}) ON {} TO {}").format(
                names, sql.Identifier(table), sql.Identifier(READER)
            )
        )
    return granted


def _console(tables: list[str]) -> list[sql.Composable]:
    """Return the grants for the console's role, managers, and rows that people change in the console."""
    given = [
        (CONSOLE, _CONSOLE_RIGHTS),
        (ANALYST, _ANALYST_WRITES),
        (REVIEWER, _REVIEWER_WRITES),
        (MANAGER, _MANAGER_RIGHTS),
    ]
    made: list[sql.Composable] = [
        _grant(rights, table, role)
        for role, by_table in given
        for table, rights in by_table.items()
        if table in tables
    ]
    for table, columns in _REVIEWER_COLUMNS.items():
        names = sql.SQL(", ").join(sql.Identifier(name) for name in columns)
        made.append(
            sql.SQL("GRANT UPDATE ({}) ON {} TO {}").format(
                names, sql.Identifier(table), sql.Identifier(REVIEWER)
            )
        )
    made.append(
        sql.SQL("GRANT USAGE ON SEQUENCE link_overrides_id_seq TO {}").format(sql.Identifier(REVIEWER))
    )
    if "console_users" in tables:
        made.append(
            sql.SQL("GRANT UPDATE (password_hash, last_login_at) ON console_users TO {}").format(
                sql.Identifier(CONSOLE)
            )
        )
        viewers = sql.SQL(", ").join(sql.Identifier(role) for role in (READER, ANALYST, REVIEWER))
        made.append(sql.SQL("GRANT EXECUTE ON FUNCTION {} TO {}").format(_RECORD_VIEWS, viewers))
    if "dead_deliveries" in tables:
        made.append(sql.SQL("GRANT EXECUTE ON FUNCTION {} TO {}").format(_REPLAY, sql.Identifier(REVIEWER)))
    if "api_tokens" in tables:
        made += _manager()
    return made


def _manager() -> list[sql.Composable]:
    """Return the grants for checking API tokens, and for a manager's work on single columns and functions."""
    manager = sql.Identifier(MANAGER)
    manager_and_writer = sql.SQL(", ").join(map(sql.Identifier, (MANAGER, WRITER)))
    return [
        sql.SQL("GRANT UPDATE (last_used_at) ON api_tokens TO {}").format(sql.Identifier(CONSOLE)),
        sql.SQL("GRANT EXECUTE ON FUNCTION {} TO {}").format(_UNPARK, manager_and_writer),
        *(
            sql.SQL("GRANT SELECT (id, phone_number_id, tenant_id), UPDATE (tenant_id) ON {} TO {}").format(
                sql.Identifier(table), manager
            )
            for table in _TENANTED
        ),
    ]


def _grant(rights: str, table: str, role: str) -> sql.Composable:
    words = sql.SQL(", ").join(sql.SQL(right) for right in _RIGHTS if right in rights.split(", "))
    return sql.SQL("GRANT {} ON {} TO {}").format(words, sql.Identifier(table), sql.Identifier(role))


_RIGHTS = ("SELECT", "INSERT", "UPDATE", "DELETE")


def _create(role: str) -> sql.Composable:
    # The roles have no password, so nobody can log in as a role itself. Logins are made members of a role.
    return sql.SQL(
        "DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = {}) "
        "THEN CREATE ROLE {} NOLOGIN; END IF; END $$"
    ).format(sql.Literal(role), sql.Identifier(role))


def _pipeline_tables(conn: Connection) -> list[str]:
    """Return the pipeline's tables and views: those of the migrations, and the two adopted tables."""
    rows = conn.execute(
        """
        SELECT c.relname FROM pg_class c
        WHERE c.relkind IN ('r', 'v')
          AND (c.relnamespace = current_schema()::regnamespace
               OR c.oid IN (to_regclass('contatos'), to_regclass('ordens_servico')))
          AND c.relname = ANY(%s) ORDER BY 1
        """,
        (_names_in_migrations(),),
    )
    return [row[0] for row in rows]


def _names_in_migrations() -> list[str]:
    made = re.compile(r"^CREATE (?:TABLE|VIEW)(?: IF NOT EXISTS)? (\w+)", re.MULTILINE)
    return sorted(
        {
            name
            for path in MIGRATIONS_DIR.glob("*.sql")
            for name in made.findall(path.read_text(encoding="utf-8"))
        }
    )
