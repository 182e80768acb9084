"""What the command says: rows on stdout, errors of one sentence, notes on stderr, and a progress bar on a terminal."""

import shutil
import sys


class Failed(Exception):
    """An error. Its text is one sentence for the user; `code` is the exit code of the command.

    `detail` holds lines of other programs, which follow the sentence.
    """

    def __init__(self, text, code=2, detail=""):
        super().__init__(text)
        self.code = code
        self.detail = detail


def escaped(character):
    if 0xDC80 <= ord(character) <= 0xDCFF:  # a byte of a file name that is not UTF-8
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character.encode("unicode_escape").decode()


def printable(text):
    """Returns the text on one line: a new line, and all else that has no picture, becomes an escape."""
    return "".join(each if each.isprintable() else escaped(each) for each in text)


def show(text):
    """Prints to stdout at once. After an error Python must not try again when it ends, so stdout is given up."""
    try:
        print(text, flush=True)
    except OSError as error:
        sys.stdout = None
        if isinstance(error, BrokenPipeError):
            raise
        raise Failed(f"cannot write to stdout: {error.strerror}; send it to another place") from error


def note(text, detail=""):
    """Prints a sentence to stderr. A stderr that cannot be written stops nothing."""
    if sys.stderr is None:  # Python's print would go to stdout instead.
        return
    try:
        print(f"ggml-sched: {printable(str(text))}" + (f"\n{detail}" if detail else ""), file=sys.stderr, flush=True)
    except OSError:
        sys.stderr = None


def is_terminal():
    return sys.stderr is not None and sys.stderr.isatty()


def show_progress(done, total, text):
    """Draws a bar on one line of the terminal. Writes nothing if stderr is no terminal."""
    if not is_terminal():
        return
    n_full = 24 * done // max(total, 1)
    line = f"[{'#' * n_full}{'.' * (24 - n_full)}] {done} of {total}: {text}"
    sys.stderr.write(f"\r\x1b[K{line[:shutil.get_terminal_size().columns - 1]}")
    sys.stderr.flush()


def clear_progress():
    if is_terminal():
        sys.stderr.write("\r\x1b[K")
        sys.stderr.flush()


def gigabytes(size):
    return f"{size / 2**30:.1f} GiB" if size >= 2**30 else f"{size / 2**20:.0f} MiB"
