"""What Dagster adds: loading the definitions, starting its UI, launching a month from it."""
