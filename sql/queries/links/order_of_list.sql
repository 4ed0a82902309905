-- The orders of %(contacts)s.
SELECT id, coalesce(ltrim(numero_ordem_servico, '0'), ''), id_contato, data_emissao, data_conclusao,
       concat_ws(' ', equipamento, linha_dispositivo)
FROM ordens_servico
WHERE id_contato = ANY(%(contacts)s)
ORDER BY id
