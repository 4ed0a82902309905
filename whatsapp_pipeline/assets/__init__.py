"""The assets, one module per subject: each calls a step and reports its counts.

What belongs here: Dagster's definitions of assets. What does not: the work (steps/) and checks (checks/).
"""
