-- The stored inputs of these contacts, and the values that the columns of contatos should have.
INSERT INTO contact_phone_inputs AS p (id_contato, input_hash, celular_hash, telefone_hash, celular_digits, telefone_digits)
SELECT id_contato, input_hash, celular_hash, telefone_hash, celular_digits, telefone_digits FROM incoming_inputs
ON CONFLICT (id_contato) DO UPDATE
SET input_hash = excluded.input_hash, celular_hash = excluded.celular_hash, telefone_hash = excluded.telefone_hash,
    celular_digits = excluded.celular_digits, telefone_digits = excluded.telefone_digits
