"""Loading messages beside the database's own limit."""
