"""Steps for contacts and orders: reading the ERP, and normalizing phones.

What belongs here: the work of tiny_contacts, tiny_orders and normalized_contacts. What does not: the ERP's
HTTP API (erp/), the rules of phones (domain/phones.py), SQL (store/contacts/), and links (steps/links/).

    ERP ──erp_sync──► erp_load ──► contatos, ordens_servico ──normalize_contacts──► contact_phones
             │            └─ erased_contacts: erased people must not come back
             ├─ erp_backup: pages saved as JSON
             └─ erp_unchanged: skips saved pages that were already read
"""
