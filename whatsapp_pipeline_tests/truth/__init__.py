"""Invented tasks with known truth: what accuracy is measured on, by the benches and by the tests.

What belongs here: simulations, sentences with labels, and the measures. What does not: contestants and
published tables (bench/), and samples for the demo (the package's sandbox/).
"""
