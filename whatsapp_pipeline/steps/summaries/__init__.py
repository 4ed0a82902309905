"""Steps for customer summaries and what a customer's page shows."""
