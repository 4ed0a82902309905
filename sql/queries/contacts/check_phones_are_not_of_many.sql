-- Phones that more than three contacts have.

-- name: examined
SELECT count(DISTINCT key) AS examined FROM contact_phones WHERE key IS NOT NULL

-- name: failing
SELECT key AS phone, count(DISTINCT id_contato) AS contacts, min(id_contato) AS first_contact
FROM contact_phones WHERE key IS NOT NULL
GROUP BY key HAVING count(DISTINCT id_contato) > 3 ORDER BY 2 DESC, key
