-- A contact's orders, and those whose number or id is one of %(numbers)s; a repeated id counts once.
SELECT DISTINCT ON (id) id, coalesce(ltrim(numero_ordem_servico::text, '0'), ''), id_contato,
       data_emissao::date, data_conclusao::date,
       concat_ws(' ', equipamento, linha_dispositivo)
FROM ordens_servico
WHERE id_contato = %(contact)s OR ltrim(numero_ordem_servico::text, '0') = ANY(%(numbers)s)
   OR id = ANY(%(ids)s)
ORDER BY id, data_emissao, numero_ordem_servico, id_contato
