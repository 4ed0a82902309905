"""Steps for chat files: indexing, reading and loading."""
