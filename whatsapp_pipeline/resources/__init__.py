"""The resources of assets: thin Dagster classes around plain clients."""
