"""The work of each asset, without Dagster: read, decide by the domain's rules, write through the store."""
