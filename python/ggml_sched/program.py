"""The file that the kernel runs for a command: the command itself, or the interpreter of a script."""

import os
import shlex
import shutil
from pathlib import Path

from .elf import Elf, NotElf, is_elf
from .messages import Failed

MAX_INTERPRETERS = 4  # as many as Linux follows


class Program:
    """`path` is the file of the command. `elf` is what runs: the same file, or the interpreter. It may be None."""

    def __init__(self, path):
        self.path = path
        self.elf = None
        self.is_script = False


def find_file(name, environment):
    """The path of a command, found as a shell finds it."""
    found = shutil.which(name, path=environment.get("PATH", os.defpath))
    if found:
        return Path(found)
    path = Path(name)
    if "/" in name and path.exists():
        raise Failed(f"{name} is a folder" if path.is_dir() else f"{name} is not executable", code=126)
    raise Failed(f"the command {name} is not found", code=127)


def interpreter_of(path):
    """The words of the first line behind #!; an empty list if there is none."""
    try:
        with open(path, "rb") as file:
            line = file.read(256).split(b"\n")[0]
    except OSError as error:
        raise Failed(f"{path} cannot be read: {error.strerror}", code=126) from error
    if not line.startswith(b"#!"):
        return []
    return line[2:].decode(errors="replace").split(None, 1)


def program_behind_env(argument, environment):
    """The program that `env` runs for `#!/usr/bin/env ARGUMENT`."""
    try:
        words = shlex.split(argument)
    except ValueError:
        words = argument.split()
    while words and (words[0].startswith("-") or "=" in words[0]):
        words = words[1:]
    return find_file(words[0], environment) if words else None


def find_program(name, environment):
    program = Program(find_file(name, environment))
    path = program.path
    for _ in range(MAX_INTERPRETERS):
        if is_elf(path):
            try:
                program.elf = Elf(path)
            except NotElf as error:
                raise Failed(str(error), code=126) from error
            return program
        words = interpreter_of(path)
        if not words:
            return program
        program.is_script = True
        path = find_file(words[0].strip(), environment)
        if path.name == "env" and len(words) == 2:
            path = program_behind_env(words[1], environment) or path
    return program
