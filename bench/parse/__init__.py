"""Speed of reading transcripts, compared with other readers on the same files, and the losses of each."""

import os

# One process is one core here: set before the columns' library counts the machine's.
os.environ["POLARS_MAX_THREADS"] = "1"
