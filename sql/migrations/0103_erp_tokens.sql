-- migrate:up

-- Each refresh of the ERP's tokens ends the old pair, so that all hosts must use one pair. The advisory lock
-- `erp-tokens` lets one process of all hosts refresh at a time. No dump holds the rows (store/operations/dumps.py).
CREATE TABLE pipeline_erp_tokens (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    access_token text NOT NULL,
    refresh_token text NOT NULL,
    expires_at timestamptz NOT NULL,
    refresh_expires_at timestamptz,
    saved_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    saved_on text NOT NULL,
    refreshing_on text
);
COMMENT ON TABLE pipeline_erp_tokens IS
    'The tokens of the ERP that several hosts share: at most one row. A secret; only who runs the pipeline reads it.';
COMMENT ON COLUMN pipeline_erp_tokens.access_token IS 'What requests to the ERP carry; it lives for hours.';
COMMENT ON COLUMN pipeline_erp_tokens.refresh_token IS 'What the next refresh spends; it lives for about a day.';
COMMENT ON COLUMN pipeline_erp_tokens.expires_at IS 'When the access token ends.';
COMMENT ON COLUMN pipeline_erp_tokens.refresh_expires_at IS 'When the refresh token ends; empty where the ERP did not say.';
COMMENT ON COLUMN pipeline_erp_tokens.saved_at IS 'When this pair was saved.';
COMMENT ON COLUMN pipeline_erp_tokens.saved_on IS 'Name of the host that saved this pair.';
COMMENT ON COLUMN pipeline_erp_tokens.refreshing_on IS
    'Name of the host that first sent the refresh token and has not saved a new pair yet; its disk may hold the answer.';

-- migrate:down
-- Data is never thrown away by a migration: go back by restoring a backup.
