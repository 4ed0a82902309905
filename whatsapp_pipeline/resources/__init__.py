"""What assets are handed: thin Dagster resources around plain clients."""
