"""The checks of assets, one module per subject.

What belongs here: rules as data. What does not: their statements (sql/queries/<subject>/check_<name>.sql).
"""
