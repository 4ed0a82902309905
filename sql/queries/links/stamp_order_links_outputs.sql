-- Results of linking the sessions of %(month)s, in the sessions and their chats, and the model that was used.
WITH chats AS MATERIALIZED (
    SELECT id, id_ordem_servico, order_match_method FROM chat_files
    WHERE month = %(month)s AND processing_status <> 'vanished'
), sessions AS MATERIALIZED (
    SELECT s.id, s.order_match_status, s.order_match_method, s.order_match_confidence, s.id_ordem_servico,
           s.order_flags
    FROM chats c JOIN chat_sessions s ON s.id_chat_file = c.id
)
SELECT (SELECT sum(hashint8extended(hash_record_extended(c, 0), 0)) FROM chats c),
       (SELECT sum(hashint8extended(hash_record_extended(s, 0), 0)) FROM sessions s),
       (SELECT sum(hashint8extended(hash_record_extended(ROW(m.ctid, m.xmin), 0), 0))
        FROM sessions s JOIN order_candidates m ON m.id_chat_session = s.id),
       (SELECT max(id) FROM link_models WHERE kind = 'orders')
