-- Names are unique here; a name that several tenants share gets the id appended.
INSERT INTO tenants (id, name, created_at)
OVERRIDING SYSTEM VALUE
SELECT id,
       CASE WHEN btrim(coalesce(name, '')) = '' THEN 'tenant ' || id
            WHEN count(*) OVER (PARTITION BY name) > 1 THEN name || ' (' || id || ')' ELSE name END,
       coalesce(created_at AT TIME ZONE %(zone)s, now())
FROM plan_tenants
