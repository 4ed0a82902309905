"""Steps for contacts and orders: reading the ERP, and turning phones into keys.

What belongs here: what tiny_contacts, tiny_orders and normalized_contacts do. What does not: the ERP's HTTP
API (erp/), how a phone is read (domain/phones.py), SQL (store/contacts/), and whose chat it is
(steps/links/).

    ERP ──erp_sync──► erp_load ──► contatos, ordens_servico ──normalize_contacts──► contact_phones
             │            └─ erased_contacts: people who must not come back
             ├─ erp_backup: pages saved as JSON
             └─ erp_unchanged: saved pages that were read before
"""
