"""Invented data and servers for the demo and the tests, so that both need no account.

What belongs here: an ERP server, a language model's endpoint, and an archive generator with known truth. What
does not: simulations that only tests and benches use.
"""
