"""Statements for contacts and orders: passes over the ERP, and keys of phones.

What belongs here: SQL on contatos, ordens_servico, contact_sources, order_sources, contact_phones and
erp_passes. What does not: reading the ERP (erp/, steps/contacts/), the form of the user's own tables
(store/operations/adoption.py), and long statements (sql/queries/contacts/).
"""
