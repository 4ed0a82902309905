"""The webhook under load and under faults."""
