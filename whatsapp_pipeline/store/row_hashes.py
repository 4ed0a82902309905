"""One hash of a set of rows, in any order.

What belongs here: the SQL expression. What does not: which rows a hash covers (links/link_parts.py,
links/fingerprints.py, contacts/erp.py). Statements in sql/queries write the same expression.
"""

from __future__ import annotations


def sum_of_hashes(row: str) -> str:
    """Return the SQL that adds up the hashes of all rows. `row` is a row or the name of a table.

    PostgreSQL computes the hash of a row as a weighted sum of the hashes of its columns. The plain sum over
    all rows would not change when two rows exchange the values of a column. So each row's hash is hashed
    again.
    """
    return f"sum(hashint8extended(hash_record_extended({row}, 0), 0))"
