"""The one error a user is meant to read."""


class InputError(Exception):
    """Bad input: one line saying what must hold, what was found, where, and what to do."""
