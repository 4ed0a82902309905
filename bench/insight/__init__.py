"""How well messages are read and found, on labelled files of somebody else."""
