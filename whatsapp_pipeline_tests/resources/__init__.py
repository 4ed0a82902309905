"""Tests of what assets are handed."""
