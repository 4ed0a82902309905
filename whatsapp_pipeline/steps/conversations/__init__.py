"""Steps for webhook deliveries, live conversations and the assistant."""
