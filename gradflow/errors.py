"""The error that a caller can mend. This module imports nothing, so that every other one can import it."""


class GradflowError(ValueError):
    """Something that whoever called can mend: an argument, a file. The message is one line and says how."""
