"""Steps for summaries: summaries of each customer's messages, and the pages that show them.

What belongs here: computing summaries of customers whose inputs changed, and collecting all data about one
customer. What does not: sentiment, topics and sentences (domain/summaries/), SQL (store/summaries/),
markup (templates/), and the checks of summaries (checks/summaries.py).
"""
