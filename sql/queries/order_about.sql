-- A contact's orders, and those whose number or id is one of %(numbers)s.
SELECT id, coalesce(ltrim(numero_ordem_servico, '0'), ''), id_contato, data_emissao, data_conclusao,
       concat_ws(' ', equipamento, linha_dispositivo)
FROM ordens_servico
WHERE id_contato = %(contact)s OR ltrim(numero_ordem_servico, '0') = ANY(%(numbers)s)
   OR id = ANY(%(ids)s)
ORDER BY id
