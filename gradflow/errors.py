"""The error that whoever called can mend; in a module that imports nothing, since all others do."""


class GradflowError(ValueError):
    """Something that whoever called can mend: an argument, a file. The message is one line and says how."""
