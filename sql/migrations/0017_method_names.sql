-- migrate:up

-- Methods take the names that the users' own queries know. Sessions that the order model linked keep 'model' until
-- their month is linked again, which tells whether the date or the device alone decides.
CREATE FUNCTION pg_temp.method_name(method text) RETURNS text LANGUAGE sql IMMUTABLE
RETURN CASE method
    WHEN 'phone_exact' THEN 'exact_phone'
    WHEN 'phone_normalized' THEN 'normalized_phone'
    WHEN 'phone_telefone' THEN 'secondary_phone'
    WHEN 'name' THEN 'name_match'
    WHEN 'equipment' THEN 'equipment_match'
    WHEN 'reference' THEN 'direct_os_ref'
    WHEN 'window_15d' THEN 'temporal_match'
    WHEN 'none' THEN NULL
    ELSE method
END;

UPDATE chat_files
SET match_method = pg_temp.method_name(match_method), order_match_method = pg_temp.method_name(order_match_method)
WHERE (match_method, order_match_method)
      IS DISTINCT FROM (pg_temp.method_name(match_method), pg_temp.method_name(order_match_method));

UPDATE chat_sessions SET order_match_method = pg_temp.method_name(order_match_method)
WHERE order_match_method IS DISTINCT FROM pg_temp.method_name(order_match_method);

UPDATE review_verdicts SET match_method = pg_temp.method_name(match_method)
WHERE match_method IS DISTINCT FROM pg_temp.method_name(match_method);

UPDATE order_candidates SET method = pg_temp.method_name(method)
WHERE method <> coalesce(pg_temp.method_name(method), method);

UPDATE match_candidates
SET method = coalesce(pg_temp.method_name(method), method),
    evidence = replace(replace(replace(evidence::text,
        '"name": "phone_exact"', '"name": "exact_phone"'),
        '"name": "phone_normalized"', '"name": "normalized_phone"'),
        '"name": "phone_telefone"', '"name": "secondary_phone"')::jsonb
WHERE method <> coalesce(pg_temp.method_name(method), method)
   OR evidence::text ~ '"name": "phone_(exact|normalized|telefone)"';

DROP FUNCTION pg_temp.method_name(text);

COMMENT ON COLUMN chat_files.match_method IS
    'What decided: override, exact_phone, normalized_phone, secondary_phone, phone_header, order_number, name_match or '
    'equipment_match; null where nothing did';
COMMENT ON COLUMN chat_files.order_match_method IS
    'What decided the order: override, direct_os_ref, equipment_match, temporal_match or model; null where nothing did';
COMMENT ON COLUMN chat_sessions.order_match_method IS
    'What decided: override, direct_os_ref, temporal_match (the date alone), equipment_match (date and device) or model '
    '(all evidence together); null where nothing did';

-- migrate:down
-- Data is never thrown away by a migration: go back by restoring a backup.
