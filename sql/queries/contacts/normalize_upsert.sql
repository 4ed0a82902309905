INSERT INTO contact_phones AS p (id_contato, field, position, key, kind, had_ninth_digit, e164)
SELECT id_contato, field, position, key, kind, had_ninth_digit, e164 FROM incoming_phones
ON CONFLICT (id_contato, field, position) DO UPDATE
SET key = excluded.key, kind = excluded.kind, had_ninth_digit = excluded.had_ninth_digit, e164 = excluded.e164
WHERE (p.key, p.kind, p.had_ninth_digit, p.e164)
      IS DISTINCT FROM (excluded.key, excluded.kind, excluded.had_ninth_digit, excluded.e164)
