"""`ggml-sched run`: runs a command with the attach library in front of its ggml."""

import errno
import os
import signal

from . import attachable, installed, switches
from .elf import Elf
from .loader import Loader
from .messages import Failed, note
from .preload import inherited_environment, with_preload
from .program import find_program


def why_not(program, ours, environment):
    """Why ggml-sched cannot be attached to a program, or "". The second value tells whether ours is in it already.

    Nothing is known against a program that cannot be examined. So it is attached, and a note says so.
    """
    if program.unknown:
        reason = "" if program.is_script else attachable.why_not_user(program.path)
        if not reason:
            note(f"{program.path} runs with ggml-sched in front, but could not be examined: {program.unknown}")
        return reason, False
    if program.elf is None:
        return "it is neither a program nor a script that begins with #!", False
    reason = attachable.why_not_program(program.elf, ours)
    if reason:
        is_in = attachable.has_ours(program.elf) or "ggml_sched_version" in program.elf.static_symbols()
        return ("it has ggml-sched in it already", True) if is_in else (reason, False)
    for elf in Loader(environment).load(program.elf):
        if attachable.is_ggml(elf) and attachable.has_ours(elf):
            return f"{elf.path.name} has ggml-sched in it already", True
    return "", False


def prepared_environment(program, options, environment):
    """The environment in which the command runs. Says why if the attach library is left out."""
    attach = installed.attach_library()
    reason, is_in_already = why_not(program, Elf(attach), environment)
    if is_in_already:
        note(f"{program.path} runs without the attach library: {reason}, and obeys the same switches")
        return {**environment, **switches.variables(options, environment)}
    if reason:
        note(f"{program.path} runs as it is, without ggml-sched: {reason}; {attachable.USE_THE_FLAG}")
        return environment
    return with_preload({**environment, **switches.variables(options, environment)}, attach)


def restore_signals():
    """Python ignores these signals, and a program keeps what is ignored."""
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)


def run(options, command):
    if not command:
        raise Failed("run needs a command behind --, as in: ggml-sched run -- llama-cli -m MODEL.gguf")
    environment = inherited_environment()
    program = find_program(command[0], environment)
    environment = prepared_environment(program, options, environment)
    restore_signals()
    try:
        os.execve(program.path, command, environment)
    except OSError as error:
        if error.errno == errno.ENOEXEC:
            raise Failed(f"{program.path} is neither a program nor a script that begins with #!", code=126) from error
        raise Failed(f"{program.path} cannot be run: {error.strerror}", code=126) from error
