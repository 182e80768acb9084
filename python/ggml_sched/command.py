"""The command `ggml-sched`: reads its arguments and passes them on to the module of each subcommand."""

import argparse
import sys

from . import compare, doctor, installed, patch, run, switches, timeline
from .messages import Failed, clear_progress, note, show


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one sentence, as all errors of the command."""

    def error(self, message):
        raise Failed(f"{message}; see {self.prog} --help")

    def print_help(self, file=None):
        show(self.format_help().rstrip())


def parser_of_command():
    parser = Parser(prog="ggml-sched", description="A scheduler for ggml, attached to programs that are already built.")
    parts = parser.add_subparsers(dest="part", metavar="COMMAND", required=True, parser_class=Parser)

    part = parts.add_parser("run", usage="ggml-sched run [options] -- COMMAND ...",
                            help="run a command with ggml-sched in front of its ggml")
    switches.add_options(part)
    part = parts.add_parser("doctor", usage="ggml-sched doctor [PATH | -- COMMAND ...]",
                            help="tell which ggml is found and whether ggml-sched can be attached to it")
    part.add_argument("path", nargs="?", metavar="PATH", help="a program, a library, a folder or a wheel; "
                      "without it, and without a command, the installation of ggml-sched is checked")
    part = parts.add_parser("compare", usage="ggml-sched compare [options] -- COMMAND ...",
                            help="run a benchmark with both schedulers in turn and compare its numbers")
    compare.add_options(part)
    part = parts.add_parser("timeline", help="write a web page that shows a trace")
    part.add_argument("trace", metavar="TRACE.json")
    part.add_argument("page", nargs="?", metavar="OUT.html", help="default: TRACE.html")
    part = parts.add_parser("patch", help="add ggml-sched to ggml's sources in a tree that is not built by CMake")
    patch.add_options(part)
    parts.add_parser("cmake-file", help="print the path for -DCMAKE_PROJECT_ggml_INCLUDE=")
    return parser


def split(arguments):
    """Our own arguments, and the command behind the first --. It is None if there is no --."""
    if "--" not in arguments:
        return arguments, None
    at = arguments.index("--")
    return arguments[:at], arguments[at + 1:]


def dispatch(arguments):
    own, command = split(arguments)
    options = parser_of_command().parse_args(own)
    if command is not None and options.part in ("timeline", "patch", "cmake-file"):
        raise Failed(f"{options.part} takes no command")
    if options.part == "run":
        return run.run(options, command)
    if options.part == "doctor":
        return doctor.doctor(options, command)
    if options.part == "compare":
        return compare.compare(options, command)
    if options.part == "timeline":
        show(timeline.write_timeline(options.trace, options.page))
        return 0
    if options.part == "patch":
        return patch.patch(options)
    show(installed.inject_file())
    return 0


def main(arguments=None):
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")  # A file name may hold what stdout's encoding has not.
    try:
        return dispatch(sys.argv[1:] if arguments is None else arguments)
    except Failed as failure:
        clear_progress()
        note(failure, failure.detail)
        return failure.code
    except KeyboardInterrupt:
        clear_progress()
        return 130
    except BrokenPipeError:
        return 141
    except OSError as error:  # of the system, such as a full disk; errors of a named file are told where they arise
        clear_progress()
        name = f"{error.filename} cannot be used" if error.filename else "the system refuses"
        note(f"{name}: {error.strerror or error}")
        return 2


if __name__ == "__main__":
    sys.exit(main())
