"""Tests of what the assets do, on a real database."""
