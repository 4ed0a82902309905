-- The number is the key here; of rows with the same number the oldest is adopted. Nothing refers to ids of accounts.
INSERT INTO whatsapp_accounts (phone_number_id, tenant_id, display_phone_number, is_active, created_at)
SELECT DISTINCT ON (a.phone_number_id) a.phone_number_id, t.id, coalesce(a.display_phone_number, a.phone_number),
       coalesce(a.is_active, true), coalesce(a.created_at AT TIME ZONE %(zone)s, now())
FROM plan_whatsapp_accounts a LEFT JOIN tenants t ON t.id = a.tenant_id
WHERE btrim(coalesce(a.phone_number_id, '')) <> ''
ORDER BY a.phone_number_id, a.id NULLS LAST
