"""Reaching chat files wherever they are, as streams of bytes."""
