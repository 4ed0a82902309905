"""Small changes to the code, drawn by a seed, each of which the tests should notice.

    python -m bench.mutants --seed N --count 100

What belongs here: listing the changes (python_mutants.py, sql_mutants.py), the areas and their tests
(areas.py), trying a change on a copy of the checkout (trials.py). What does not: the tests themselves.

No library that we know changes SQL, in files or in Python strings, or draws from all changes by a seed.
"""
