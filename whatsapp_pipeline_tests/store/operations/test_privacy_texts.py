"""Every column that may hold a number in somebody's words is one that an erasure looks at."""

from __future__ import annotations

from whatsapp_pipeline.store.connection import connect
from whatsapp_pipeline.store.operations.privacy import TABLES
from whatsapp_pipeline.store.operations.privacy_texts import _TEXTS

# Columns of other tables that hold words of ours, hashes and ids: nobody writes what they like there.
_OUR_WORDS = {
    "api_tokens.level",
    "api_tokens.name",
    "assistant_replies.state",
    "audit_log.action",
    "audit_log.actor",
    "audit_log.detail",
    "chat_rereads.requested_by",
    "checkpoint_waivers.checkpoint",
    "checkpoint_waivers.made_by",
    "checkpoint_waivers.month",
    "console_users.level",
    "console_users.name",
    "console_users.password_hash",
    "console_views.action",
    "data_files.first_month",
    "data_files.folder",
    "data_files.host",
    "data_files.kind",
    "data_files.name",
    "data_files.outdated_by",
    "data_files.written_by",
    "deployed_code.code_hash",
    "deployed_code.version",
    "erp_pass_items.listing",
    "erp_passes.cursor_state",
    "erp_passes.resource",
    "erp_passes.scope",
    "erp_passes.status",
    "link_models.kind",
    "link_models.model",
    "link_models.reliability",
    "link_models.version",
    "link_runs.by_status",
    "link_runs.changes",
    "link_runs.month",
    "link_stamps.month",
    "link_stamps.parts",
    "link_stamps.stage",
    "message_readings.rules",
    "order_candidates.method",
    "order_sources.truncated",
    "pauses.made_by",
    "pipeline_erp_tokens.access_token",
    "pipeline_erp_tokens.refresh_token",
    "pipeline_erp_tokens.refreshing_on",
    "pipeline_erp_tokens.saved_on",
    "pipeline_migration_checksums.checksum",
    "pipeline_migration_checksums.file_name",
    "pipeline_migration_checksums.version",
    "pipeline_migrations.version",
    "privacy_erasures.queued_on",
    "privacy_hosts.name",
    "privacy_suppressions.kind",
    "qa_acceptances.check_name",
    "qa_acceptances.made_by",
    "qa_acceptances.month",
    "review_queue.source",
    "review_queue.status",
    "review_snoozes.reviewer",
    "search_forms.form",
    "search_forms.forms",
    "search_forms.pattern",
    "search_words_seen.source",
    "tenants.name",
    "unlinked_chats_read.input_hash",
    "webhook_batches.status",
    "whatsapp_accounts.display_phone_number",
    "whatsapp_accounts.phone_number_id",
}
# The company's own records, which tax law keeps; the ERP writes them anew.
_KEPT = {"ordens_servico"}


def test_an_erasure_knows_every_column_of_words(database_url: str) -> None:
    with connect(database_url) as conn:
        rows = conn.execute(
            """
            SELECT table_name, table_name || '.' || column_name
            FROM information_schema.columns JOIN information_schema.tables USING (table_schema, table_name)
            WHERE table_schema = 'public' AND table_type = 'BASE TABLE'
              AND data_type IN ('text', 'json', 'jsonb', 'ARRAY', 'character varying')
            """
        ).fetchall()
    texts = {f"{table}.{column}" for table, columns in _TEXTS.items() for column in columns}
    columns = {name for _, name in rows}
    assert texts <= columns
    assert columns.issuperset(_OUR_WORDS)
    unknown = {name for table, name in rows if table not in {*TABLES, *_KEPT}} - texts - _OUR_WORDS
    assert unknown == set(), "add them to privacy_texts, or say here why nobody's number can be in them"
