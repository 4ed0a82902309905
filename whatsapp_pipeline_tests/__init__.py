"""Tests that mirror the package, on a real PostgreSQL and over real HTTP."""
