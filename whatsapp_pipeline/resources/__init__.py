"""The resources of assets: small Dagster classes around plain clients."""
