"""Files that are read: only regular ones, since reading a pipe or a device may wait for ever."""

import errno
import os
import stat


def open_regular(path):
    """Opens a regular file to read its bytes. Raises OSError for everything else, without opening it."""
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise OSError(errno.EINVAL, "it is no regular file", os.fspath(path))
    return open(path, "rb")


def head_of(path, size):
    """The first bytes of a regular file."""
    with open_regular(path) as file:
        return file.read(size)


def status_of(path):
    """What os.stat says; None if there is no such file. Raises OSError if a folder on the way cannot be read."""
    try:
        return os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
