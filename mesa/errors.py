"""What a user can do something about; the command line prints it in one line and exits with 2."""

from tasks.errors import UserError, unknown

__all__ = ["DamagedCheckpoint", "UserError", "unknown"]


class DamagedCheckpoint(UserError):
    """A checkpoint that is not what was saved; the message names the file and the reason."""
