"""Steps for contacts and orders: the ERP pass, the tables it fills, and their phones."""
