"""How fast transcripts are read, beside other readers on the same files, and what each of them loses."""
