"""The console under requests, on a database of a given size."""
