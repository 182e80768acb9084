"""`ggml-sched doctor`: what ggml-sched finds in a command, a program, a library, a folder or a wheel."""

import os
import stat
from pathlib import Path

from . import attachable, installed
from .collection import Collection, opened
from .elf import Elf, NotElf, is_elf
from .files import head_of
from .loader import Loader
from .messages import Failed
from .probe import load_alone, load_failure
from .program import find_program
from .report import report_callers, report_ggml, say


def neighbours_of(elf):
    """The libraries beside a ggml that may be other parts of it."""
    for path in sorted(elf.path.parent.glob("libggml*.so*")):
        try:
            yield Elf(path)
        except NotElf:
            continue


class Doctor:
    def __init__(self):
        self.environment = dict(os.environ)
        self.attach = installed.attach_library()
        self.ours = Elf(self.attach)

    def installation(self):
        """Says whether the package itself is whole."""
        say("attach", str(self.attach))
        say("machine", self.ours.machine)
        problem = load_alone(self.attach, self.environment)
        say("loads", f"no: {load_failure(problem)}" if problem else "yes")
        say("cmake file", str(installed.inject_file()))
        say("timeline", str(installed.timeline_parts()))
        return not problem

    def command(self, command):
        program = find_program(command[0], self.environment)
        say("program", f"{program.path}, a script" if program.is_script else program.path)
        if program.unknown:
            say("attach", f"unknown: {program.unknown}")
            return False
        if program.elf is None:
            say("attach", "no: it is neither a program nor a script that begins with #!")
            return False
        if program.is_script:
            say("runs", str(program.elf.path))
        return self.program(program.elf)

    def program(self, elf):
        reason = attachable.why_not_program(elf, self.ours)
        if reason:
            say("attach", f"no: {reason}; {attachable.USE_THE_FLAG}")
            return False
        return self.loaded_with(elf)

    def loaded_with(self, elf):
        """Says what the ggmls are that the loader brings with a file."""
        loader = Loader(self.environment)
        files = loader.load(elf)
        for name, needer in loader.missing:
            say("missing", f"{name}, which {needer} needs")
        ggmls = [each for each in files if attachable.is_ggml(each)]
        if not ggmls:
            say("ggml", "none that the loader brings; one that it opens while it runs is attached then")
            say("attach", "yes, if such a ggml has a layout that ggml-sched knows")
        if len(ggmls) > 1:
            say("note", f"it brings {len(ggmls)} ggmls; each caller gets the scheduler for its own")
        verdicts = [report_ggml(each, str(each.path), self.ours, self.attach, [*files, *neighbours_of(each)],
                                self.environment) for each in ggmls]
        return report_callers(files, self.ours) and all(verdicts) and not loader.missing

    def folder(self, folder, name):
        collection = Collection(folder)
        elfs = [library.elf for library in collection.libraries]
        ggmls = [library for library in collection.libraries if attachable.is_ggml(library.elf)]
        say("folder", f"{name}: has {len(elfs)} ELF {'file' if len(elfs) == 1 else 'files'}, {len(ggmls)} with a ggml")
        for paths, what in ((collection.unreadable, "cannot be read"), (collection.damaged, "is a damaged ELF file")):
            if paths:
                others = f", and {len(paths) - 1} more" if len(paths) > 1 else ""
                say("left out", f"{paths[0].relative_to(folder)}{others}: {what}")
        verdicts = []
        for library in ggmls:
            neighbours = [elf for elf in elfs if elf.path.parent == library.elf.path.parent]
            shown = str(library.elf.path.relative_to(folder))
            if library.other_names:
                shown += f" (also as {', '.join(library.other_names)})"
            verdicts.append(report_ggml(library.elf, shown, self.ours, self.attach, neighbours, self.environment))
        if not ggmls:
            callers = [elf.path.name for elf in elfs if attachable.NEW in elf.imports]
            say("ggml", "none" + (f", although {', '.join(callers)} calls ggml's scheduler" if callers else ""))
        return report_callers(elfs, self.ours) and bool(verdicts) and all(verdicts)

    def path(self, path):
        try:
            mode = os.stat(path).st_mode
            if not stat.S_ISDIR(mode) and not os.access(path, os.X_OK):
                head_of(path, 1)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise Failed(f"{path} does not exist; a command goes behind --") from error
        except OSError as error:
            raise Failed(f"{path} cannot be read: {error.strerror}") from error
        if stat.S_ISDIR(mode) or not is_elf(path):
            if stat.S_ISREG(mode) and os.access(path, os.X_OK) and path.suffix != ".whl":
                return self.command([str(path.absolute())])
            with opened(path) as folder:
                return self.folder(folder, path)
        elf = Elf(path)
        if elf.interpreter or not elf.is_dynamic:
            say("program", str(path))
            return self.program(elf)
        say("library", str(path))
        return self.loaded_with(elf)


def doctor(options, command):
    """The exit code is 0 if ggml-sched can be attached to all that was found, and 1 otherwise."""
    if command is not None and options.path is not None:
        raise Failed("doctor takes a path or a command behind --, not both")
    if command == [] or options.path == "":
        raise Failed("doctor needs a path, or a command behind --; without both it checks its own installation")
    patient = Doctor()
    if command:
        is_well = patient.command(command)
    elif options.path is not None:
        is_well = patient.path(Path(options.path))
    else:
        is_well = patient.installation()
    return 0 if is_well else 1
