"""What each asset does, free of Dagster: read, decide in the domain, write through the store."""
