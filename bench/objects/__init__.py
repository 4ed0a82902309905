"""Indexing and loading an archive in an object store whose requests take their time."""
