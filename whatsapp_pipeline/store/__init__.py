"""The only package with SQL statements: one module per group of tables.

The first parameter of most functions is a connection in autocommit mode. No function ends a transaction of
its caller. A caller that needs several writes to be atomic wraps them in `conn.transaction()`. So a dry run
is the same code inside one transaction that is rolled back. Functions that fill a table write only rows that
differ.
"""
