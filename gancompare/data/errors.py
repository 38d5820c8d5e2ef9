"""The error of this folder."""

from gancompare.base.errors import UserError


class DataError(UserError, ValueError):
    """Data that cannot be used. The message names the path or value, says what is wrong with it and what to do."""
