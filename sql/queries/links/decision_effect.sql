-- What a decision changed, by the links as they are now: each chat and live conversation with whether the decision holds
-- for it, the rules have to decide it again (pending), or another decision or link holds (outranked). A decision on orders is about sessions: a chat
-- counts by those of its sessions that the decision is about.
WITH o AS MATERIALIZED (
    SELECT * FROM link_overrides WHERE id = %(id)s
), places AS (
    SELECT 'chat' AS source, f.id, f.match_status AS status, f.id_contato
      FROM o CROSS JOIN {chats_about}
     WHERE f.processing_status <> 'vanished'
    UNION ALL
    SELECT 'webhook', f.id, f.match_status, f.id_contato
      FROM o JOIN conversations f ON {about_conversation}
     WHERE NOT f.is_group
), links AS (
    SELECT p.source, p.id, p.status, p.id_contato AS target FROM o, places p
     WHERE o.decision IN ('contact', 'no_contact', 'not_contact')
    UNION ALL
    SELECT p.source, p.id, s.order_match_status, s.id_ordem_servico
      FROM o JOIN places p ON p.source = 'chat'
      JOIN chat_sessions s ON s.id_chat_file = p.id AND coalesce(o.session_number, s.number) = s.number
     WHERE o.decision IN ('order', 'no_order', 'not_order')
    UNION ALL
    SELECT p.source, p.id, s.order_match_status, s.id_ordem_servico
      FROM o JOIN places p ON p.source = 'webhook'
      JOIN chat_sessions s ON s.id_conversation = p.id AND coalesce(o.session_number, s.number) = s.number
     WHERE o.decision IN ('order', 'no_order', 'not_order')
), states AS (
    SELECT l.source, l.id, bool_or(l.status = 'pending') AS is_pending,
           bool_and(CASE WHEN o.decision IN ('not_contact', 'not_order') THEN l.status <> 'manual'
                         ELSE l.status = 'manual' AND l.target IS NOT DISTINCT FROM coalesce(o.id_ordem_servico, o.id_contato)
                    END) AS holds
      FROM o, links l GROUP BY l.source, l.id
)
SELECT source, id, CASE WHEN is_pending THEN 'pending' WHEN holds THEN 'holds' ELSE 'outranked' END AS state
  FROM states ORDER BY source, id
