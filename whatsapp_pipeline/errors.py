"""The one error a user is meant to read.

What belongs here: exceptions whose text is complete for a user (what, where, the way out). What does not:
errors that one module raises and catches itself.
"""


class PipelineError(Exception):
    """Something the user can mend; the text is one clear line and holds no phone, name or secret."""


class SettingError(PipelineError):
    """A setting is missing or malformed; the text names it and what it takes."""
