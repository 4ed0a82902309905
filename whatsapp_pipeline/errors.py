"""The errors whose text is shown to the user.

What belongs here: exceptions whose text says what happened, where, and what to do. What does not: errors that
one module raises and catches itself.
"""


class PipelineError(Exception):
    """A problem that the user can solve; the text is one clear line without a phone, name or secret."""


class SettingError(PipelineError):
    """A setting is missing or malformed; the text gives its name and the values that it accepts."""
