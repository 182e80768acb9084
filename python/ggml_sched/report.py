"""What `ggml-sched doctor` says of one ggml: its version, whether ggml-sched can be attached, and its devices."""

from . import attachable
from .elf import NotElf
from .messages import gigabytes, printable, show
from .probe import load_failure, probe

DEVICE_TYPE_CPU = 0
# The rule of GGML_SCHED_STREAM=auto. docs/streaming.md has it in words.
SHARE_OF_FREE = 4
LEAST_BUDGET = 1 << 20
MOST_BUDGET = 1 << 30


def say(label, text):
    show(f"{label:<11}{printable(text)}")


def auto_budget(free):
    """The bytes of device memory that streaming may take with `auto`."""
    share = free // SHARE_OF_FREE
    return 0 if share < LEAST_BUDGET else min(share, MOST_BUDGET)


def streaming(device):
    """What streaming would do with a device, as far as a device tells before a scheduler exists."""
    if device["type"] == DEVICE_TYPE_CPU:
        return "nothing is streamed to it, since its memory is the host's"
    if not device["has_events"]:
        return "nothing is streamed to it, since it has no events"
    if device["free"] == 0:
        return "unknown what streaming may take, since it does not tell its free memory"
    budget = auto_budget(device["free"])
    if budget == 0:
        return "nothing is streamed to it, since too little of its memory is free"
    return f"streaming may take up to {gigabytes(budget)}, if it has asynchronous copies"


def describe_device(device):
    memory = "memory unknown"
    if device["total"]:
        memory = f"{gigabytes(device['free'])} of {gigabytes(device['total'])} free"
    return f"{device['device']} ({device['description']}): {memory}; {streaming(device)}"


def registry_of(ggml, candidates):
    """The library that lists the devices and that uses this ggml; None if there is none."""
    names = {ggml.path.name, ggml.soname} - {""}
    for elf in candidates:
        try:
            if "ggml_backend_dev_count" in elf.exports and (elf is ggml or names & set(elf.needed)):
                return elf.path.resolve()
        except NotElf:
            continue
    return None


def version_line(ggml, answers):
    kind = "shared library" if ggml.is_dynamic else "static"
    scheduler = "with a scheduler" if attachable.NEW in ggml.exports else "without a scheduler that others can call"
    return f"{answers.version or 'unknown'}, {kind} {scheduler}"


def verdict(answers):
    """(whether ggml-sched can be attached, the sentence)."""
    if answers.cannot_load:
        return False, f"unknown: this ggml cannot be loaded here: {load_failure(answers.cannot_load)}"
    if answers.refusal:
        return False, f"no: {answers.refusal}"
    if answers.is_proved:
        return True, "yes: its layout is proved"
    if not answers.was_asked and answers.code:
        return False, f"unknown: the process that loaded this ggml ended with exit code {answers.code}"
    return True, "perhaps: the layout is proved when it runs"


def say_devices(answers, registry):
    if answers.devices is None:
        why = "its libraries cannot be loaded here" if registry else "no library that lists them uses this ggml"
        say("  devices", f"unknown: {why}")
        return
    if not answers.devices:
        say("  devices", "none")
    for device in answers.devices:
        say("  device", describe_device(device))


def report_ggml(ggml, name, ours, attach, neighbours, environment):
    """Says all of one ggml, which is shown as `name`. Returns true if ggml-sched can be attached to it."""
    say("ggml", name)
    reason = attachable.why_not_ggml(ggml, ours)
    if (ggml.is_64, ggml.machine) != (ours.is_64, ours.machine):
        say("  attach", f"no: {reason}")
        return False
    registry = registry_of(ggml, [ggml, *neighbours])
    answers = probe(attach, ggml.path.resolve(), registry, environment)
    say("  version", version_line(ggml, answers))
    is_attachable, sentence = (False, f"no: {reason}") if reason else verdict(answers)
    say("  attach", sentence)
    if not answers.cannot_load:
        say_devices(answers, registry)
    return is_attachable


def report_callers(libraries, ours):
    """Says which libraries call functions that only ggml's scheduler has. Returns true if there are none."""
    all_known = True
    for elf in libraries:
        unknown = attachable.unknown_functions(elf, ours)
        if unknown:
            all_known = False
            say("caller", f"{elf.path} calls {', '.join(unknown)}, which ggml-sched does not have; "
                          "where it is loaded, ggml keeps its own scheduler")
    return all_known
