"""How fast transcripts are read, beside other readers on the same files, and what each of them loses."""

import os

# One process is one core here: set before the columns' library counts the machine's.
os.environ["POLARS_MAX_THREADS"] = "1"
