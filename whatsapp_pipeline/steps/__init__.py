"""The work of each asset, without Dagster.

A step reads data, applies the rules of domain/, and writes through store/.
"""
