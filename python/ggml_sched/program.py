"""The file that the kernel runs for a command: the command itself, or the interpreter of a script."""

import os
import re
import shlex
import shutil

from .elf import MAGIC, Elf, NotElf
from .files import head_of, status_of
from .messages import Failed

MAX_FILES = 6     # that Linux follows: five scripts and a program
MAX_LINE = 256    # bytes of a script that Linux looks at
# The options of env that take a value. GNU's, BSD's and busybox's agree where they have the same.
ENV_SHORT_WITH_VALUE = "uCaPLU"
ENV_LONG_WITH_VALUE = ("unset", "chdir", "argv0")


class Program:
    """A command that was found.

    `path` is a string that execve takes for the same file: a path never loses the "./" that the user typed.
    `elf` is what runs: the same file, or the interpreter. It is None if that file is no program, or `unknown` says why
    nothing is known of it.
    """

    def __init__(self, path):
        self.path = path
        self.elf = None
        self.is_script = False
        self.unknown = ""


def found_in_path(name, environment):
    """What a shell finds for the name of a command: a path with a slash, or None."""
    found = shutil.which(name, path=environment.get("PATH", os.defpath))
    if found and "/" not in found:  # PATH has an empty entry, which is the current folder.
        found = os.path.join(".", found)
    return found


def find_file(name, environment):
    """The path of a command, found as a shell finds it."""
    found = found_in_path(name, environment)
    if found:
        return found
    if "/" in name and os.path.exists(name):
        raise Failed(f"{name} is a folder" if os.path.isdir(name) else f"{name} is not executable", code=126)
    shown = name or "''"
    raise Failed(f"the command {shown} is not found", code=127)


def interpreter_of(head):
    """The interpreter that a script names behind #!, and its argument. Both are "" if there is none.

    Linux ends the interpreter at a space or a tab only, takes the rest as one argument, and does not look into PATH.
    """
    if not head.startswith(b"#!"):
        return "", ""
    words = re.split(rb"[ \t]+", head[2:].split(b"\n")[0].strip(b" \t"), maxsplit=1)
    interpreter, argument = (os.fsdecode(word) for word in (*words, b"")[:2])
    if interpreter and "/" not in interpreter:
        interpreter = os.path.join(".", interpreter)
    return interpreter, argument


class EnvArguments:
    """What `env ARGUMENT` does: `name` is the command that it runs ("": none), `has_path` whether it changes PATH."""

    def __init__(self, argument):
        self.words, self.name, self.has_path = [argument] if argument else [], "", False
        while self.words and not self.name:
            word = self.words.pop(0)
            if word == "--":
                self.name = self.words.pop(0) if self.words else ""
                break
            if word.startswith("--"):
                self.long_option(word[2:])
            elif word == "-":
                self.has_path = True
            elif word.startswith("-"):
                self.short_options(word[1:])
            elif "=" in word:
                self.has_path = self.has_path or word.startswith("PATH=")
            else:
                self.name = word

    def split(self, text):
        self.words = shlex.split(text) + self.words

    def long_option(self, option):
        name, equals, value = option.partition("=")
        if name == "split-string":
            self.split(value if equals else self.words.pop(0))
        elif name in ENV_LONG_WITH_VALUE:
            value = value if equals else self.words.pop(0)
            self.has_path = self.has_path or (name, value) == ("unset", "PATH")
        elif name == "ignore-environment":
            self.has_path = True

    def short_options(self, letters):
        for i, letter in enumerate(letters):
            rest = letters[i + 1:]
            if letter == "S":
                return self.split(rest or self.words.pop(0))
            if letter in ENV_SHORT_WITH_VALUE:
                value = rest or self.words.pop(0)
                self.has_path = self.has_path or letter == "P" or (letter, value) == ("u", "PATH")
                return None
            self.has_path = self.has_path or letter == "i"
        return None


def program_behind_env(argument, environment):
    """The program that env runs for its argument: "" if env only prints, None if the program is not known."""
    try:
        env = EnvArguments(argument)
    except (ValueError, IndexError):  # quotes without an end, an option without its value
        return None
    if not env.name:
        return ""
    return None if env.has_path and "/" not in env.name else found_in_path(env.name, environment)


def next_file(program, path, environment):
    """The file that Linux looks at after `path`. Returns None if there is none, and fills `program`."""
    try:
        head = head_of(path, MAX_LINE)
        if head.startswith(MAGIC):
            program.elf = Elf(path)
            return None
        interpreter, argument = interpreter_of(head)
        if not interpreter:
            return None
        program.is_script = True
        if status_of(interpreter) is None:
            raise Failed(f"{path} asks for the interpreter {interpreter}, which is not found", code=127)
    except NotElf as error:
        program.unknown = str(error)
        return None
    except OSError as error:
        program.unknown = f"{error.filename or path} cannot be read: {error.strerror}"
        return None
    if os.path.basename(interpreter) == "env":
        found = program_behind_env(argument, environment)
        if found is None:
            program.unknown = f"what its first line runs is not found: env {argument}"
            return None
        return found or interpreter
    return interpreter


def find_program(name, environment):
    """Raises Failed only for what no shell could run. All that Linux may judge in another way is `unknown`."""
    program = Program(find_file(name, environment))
    path = program.path
    for _ in range(MAX_FILES):
        path = next_file(program, path, environment)
        if path is None:
            return program
    program.unknown = f"its interpreters are scripts, more than {MAX_FILES - 1} behind one another"
    return program
