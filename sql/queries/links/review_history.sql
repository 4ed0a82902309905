-- People's decisions, the newest first, from one on, with the names of whom they name.
SELECT o.id, o.target_kind, o.target, o.session_number, o.decision, o.nobody_kind, o.id_contato, c.nome::text AS customer,
       o.id_ordem_servico, s.numero_ordem_servico::text AS number, o.reason, o.made_by, o.made_at, o.removed_at,
       o.removed_by, o.removed_reason, o.superseded_by
  FROM (SELECT * FROM link_overrides WHERE %(before)s::bigint IS NULL OR id < %(before)s
         ORDER BY id DESC LIMIT %(limit)s) o
  LEFT JOIN contatos c ON c.id = o.id_contato
  LEFT JOIN ordens_servico s ON s.id = o.id_ordem_servico
 ORDER BY o.id DESC
