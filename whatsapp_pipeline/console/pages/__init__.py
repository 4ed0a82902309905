"""One module per page of the console: it reads the request, asks the store, and fills a template.

What belongs here: what a page shows. What does not: SQL, markup, and who the user is.
"""
