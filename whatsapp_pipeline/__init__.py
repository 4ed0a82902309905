"""A company's WhatsApp history and live webhooks as linked, checked, searchable PostgreSQL data."""
