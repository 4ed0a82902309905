"""The only package with SQL statements: one module per group of tables.

The first parameter of every function is a connection. A function never commits, and writes only rows that
differ. A caller that needs several writes to be atomic wraps them in `conn.transaction()`. So a dry run is
the same code inside one transaction that is rolled back.
"""
