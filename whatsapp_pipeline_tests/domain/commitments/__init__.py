"""Tests of domain/commitments."""
