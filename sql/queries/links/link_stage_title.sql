-- One title that is in no archive, staged as a chat of its own.
CREATE TEMP TABLE linking ON COMMIT DROP AS
SELECT 0::bigint AS id, %(title)s::text AS title, %(phone_number)s::text AS phone_number,
       %(phone_key)s::text AS phone_key, %(name)s::text AS name, %(order_reference)s::text AS order_reference,
       %(devices)s::text[] AS devices, false AS is_group, %(day)s::date AS first_day, %(day)s::date AS last_day,
       '{}'::text[] AS header_keys, '{}'::text[] AS seen_devices, '{}'::text[] AS order_numbers
