"""All HTML of the project: one `.html` file per page, the base template, and the module that renders them.

What belongs here: markup, style and the words of a page, in Portuguese. What does not: the figures that a
page shows (steps/), SQL (store/), routes.

Every file ends in `.html`, and every value that a template prints is escaped. `base.html` is the frame of a
page that loads nothing and runs no script; `macros.html` has tables, tiles and bars.
"""
