"""Statements for contacts and orders: the ERP's passes, and the phones' keys.

What belongs here: SQL on contatos, ordens_servico, contact_sources, order_sources, contact_phones and
erp_passes. What does not: reading the ERP (erp/, steps/contacts/), what the user's own tables look like
(store/operations/adoption.py), and long statements (sql/queries/contacts/).
"""
