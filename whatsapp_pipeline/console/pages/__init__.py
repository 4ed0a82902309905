"""One module per page of the console: it reads the request, asks the store, and fills a template.

What belongs here: the content of a page. What does not: SQL, markup, and finding the user of a request.
"""
