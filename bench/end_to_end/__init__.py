"""The whole pipeline on a generated archive, beside the database's own limit and the naive way."""
