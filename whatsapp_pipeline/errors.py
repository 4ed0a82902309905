"""The errors whose text is shown to the user.

What belongs here: exceptions whose text says what happened, where, and what to do. What does not: errors that
one module raises and catches itself.
"""


class PipelineError(Exception):
    """A problem that the user can solve.

    The text states the problem and what to do. It is usually one line, and has no phone, person's name or
    secret.
    """


class SettingError(PipelineError):
    """A setting is missing or has a wrong value. The text has its name and what to set."""
