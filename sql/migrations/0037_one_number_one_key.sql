-- migrate:up

-- Mexico's mobiles are written as 521 and ten digits or as 52 and ten digits, Argentina's as 549 and as 54. Each is
-- one number with one key: the shorter form (domain/phones.py, without_mobile_prefix).
CREATE OR REPLACE FUNCTION phone_key(phone text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    digits text := regexp_replace(phone, '\D', '', 'g');
BEGIN
    IF phone ~ '^(\d{10}|xx\d{8}|lid:\d+)$' THEN
        RETURN phone;
    END IF;
    IF phone ~ '^\s*\+' AND digits !~ '^55' THEN
        RETURN '+' || regexp_replace(digits, '^(52(?=1\d{10}$)1|54(?=9\d{10}$)9)', left(digits, 2));
    END IF;
    digits := regexp_replace(digits, '^0+', '');
    IF length(digits) IN (12, 13) AND digits ~ '^55' THEN
        digits := regexp_replace(substr(digits, 3), '^0+', '');
    END IF;
    IF length(digits) NOT IN (10, 11) OR (length(digits) = 11 AND substr(digits, 3, 1) <> '9') THEN
        RAISE EXCEPTION 'not a phone with an area code: write it as +55 41 90000-0000'
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    RETURN left(digits, 2) || right(digits, 8);
END $$;
COMMENT ON FUNCTION phone_key(text) IS
    'The key that equal phones share: area code and last eight digits in Brazil, + and all digits elsewhere';

-- Webhook correspondents. Two conversations of one number stay two until its next message joins them.
UPDATE conversation_identities
   SET canonical = 'wa:' || substr(phone_key('+' || substr(canonical, 4)), 2),
       phone_key = phone_key('+' || substr(canonical, 4))
 WHERE canonical ~ '^wa:(521|549)\d{10}$';
UPDATE message_statuses
   SET recipient = 'wa:' || substr(phone_key('+' || substr(recipient, 4)), 2)
 WHERE recipient ~ '^wa:(521|549)\d{10}$';
UPDATE leads l
   SET canonical = 'wa:' || substr(phone_key('+' || substr(canonical, 4)), 2),
       phone_key = phone_key('+' || substr(canonical, 4))
 WHERE canonical ~ '^wa:(521|549)\d{10}$'
   AND NOT EXISTS (SELECT FROM leads o
                    WHERE o.phone_number_id = l.phone_number_id
                      AND o.canonical = 'wa:' || substr(phone_key('+' || substr(l.canonical, 4)), 2));

-- Decisions in force on the longer form are made again on the shorter one. Where both exist, the newer one holds.
DO $$
DECLARE
    old link_overrides;
    other link_overrides;
BEGIN
    FOR old IN SELECT * FROM link_overrides
                WHERE removed_at IS NULL AND target_kind = 'phone' AND target ~ '^\+(521|549)\d{10}$'
                  AND (id_contato IS NULL OR EXISTS (SELECT FROM contatos c WHERE c.id::text = id_contato::text))
                  AND (id_ordem_servico IS NULL
                       OR EXISTS (SELECT FROM ordens_servico s WHERE s.id::text = id_ordem_servico::text))
                ORDER BY made_at, id LOOP
        SELECT o.* INTO other FROM link_overrides o
         WHERE o.removed_at IS NULL AND o.target_kind = 'phone' AND o.target = phone_key(old.target)
           AND coalesce(o.session_number, 0) = coalesce(old.session_number, 0)
           AND (o.decision IN ('order', 'no_order')) = (old.decision IN ('order', 'no_order'));
        UPDATE link_overrides
           SET removed_at = now(), removed_by = current_user,
               removed_reason = 'superseded: the number has one key now'
         WHERE id = old.id OR (id = other.id AND other.made_at <= old.made_at);
        IF other.id IS NULL OR other.made_at <= old.made_at THEN
            INSERT INTO link_overrides (target_kind, target, chat_number, session_number, decision, id_contato,
                                        id_ordem_servico, reason, made_by, made_at)
            VALUES (old.target_kind, phone_key(old.target), old.chat_number, old.session_number, old.decision,
                    old.id_contato, old.id_ordem_servico, old.reason, old.made_by, old.made_at);
        END IF;
    END LOOP;
END $$;

-- migrate:down
-- Data is never thrown away by a migration: go back by restoring a backup.
