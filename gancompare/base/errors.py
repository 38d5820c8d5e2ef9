"""The one kind of error that is meant for a person."""


class UserError(Exception):
    """What a user can act on: the message names the field or path, the value, and the remedy."""
