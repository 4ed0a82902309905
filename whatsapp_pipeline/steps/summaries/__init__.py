"""Steps for summaries: what each customer's messages say, and the pages that show it.

What belongs here: computing summaries of customers whose inputs changed, and everything that is known of
one customer. What does not: sentiment, topics and sentences (domain/summaries/), SQL (store/summaries/),
markup (templates/), and the checks of summaries (checks/summaries.py).
"""
