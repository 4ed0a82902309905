"""The only place that talks SQL: one module a group of tables.

Every function takes a connection first, never commits, and writes only what differs. A caller that needs
several writes to be atomic wraps them in `conn.transaction()`; so a dry run is the same code
inside one transaction that is rolled back.
"""
