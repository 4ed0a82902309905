"""The client of the language model that answers customers, behind a small protocol."""
