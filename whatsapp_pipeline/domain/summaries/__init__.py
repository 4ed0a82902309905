"""Summaries of a customer: sentiment, topics, and sentences made of facts. Pure Python."""
