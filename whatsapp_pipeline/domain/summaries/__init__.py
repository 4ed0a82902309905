"""What is said of a customer: sentiment, topics, and the sentences made of the facts. Pure Python."""
