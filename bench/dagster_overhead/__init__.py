"""The overhead of Dagster: loading the definitions, starting its UI, launching a month."""
