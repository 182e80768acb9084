"""Whether ggml-sched can be attached to a program or to a ggml, judged by the files alone."""

import os
import stat

PREFIX = "ggml_backend_sched_"
NEW = PREFIX + "new"
ENGINE_PREFIXES = ("llama_", "whisper_", "sd_", "clip_")
USE_THE_FLAG = "build it with the CMake flag instead (ggml-sched cmake-file)"


def changes_user(status, uid, gid):
    """True if the kernel gives the program other rights than the caller's; the loader then ignores LD_PRELOAD."""
    is_setuid = bool(status.st_mode & stat.S_ISUID) and status.st_uid != uid
    is_setgid = bool(status.st_mode & stat.S_ISGID and status.st_mode & stat.S_IXGRP) and status.st_gid != gid
    return is_setuid or is_setgid


def has_capabilities(path):
    try:
        return os.getuid() != 0 and bool(os.getxattr(path, "security.capability"))
    except (OSError, AttributeError):
        return False


def why_not_user(path):
    """Why the loader does not put a library in front of a program's, judged without reading the file; "" if it does."""
    if changes_user(os.stat(path), os.getuid(), os.getgid()) or has_capabilities(path):
        return "it runs with the rights of another user, so the loader ignores LD_PRELOAD"
    return ""


def has_hidden_ggml(elf):
    """True if the file has a ggml inside whose scheduler other files cannot replace."""
    if any(name.startswith(PREFIX) for name, _ in elf.dynamic_symbols()):
        return False
    if not elf.contains(PREFIX.encode()):
        return False  # No symbol and no message of ggml's scheduler is in it.
    names = elf.static_symbols()
    return NEW in names if names else True


def why_not_program(elf, ours):
    """Why ggml-sched cannot be attached to a program, as a clause that begins with "it"; "" if it can be."""
    if (elf.is_64, elf.machine) != (ours.is_64, ours.machine):
        bits = 64 if elf.is_64 else 32
        return f"it is a {bits}-bit program for {elf.machine}, and this ggml-sched is for {ours.machine}"
    if not elf.interpreter:
        return "it is linked statically, so nothing can be put in front of its functions"
    if "ld-musl" in elf.interpreter:
        return "it is made for musl, and this ggml-sched is for glibc"
    reason = why_not_user(elf.path)
    if reason:
        return reason
    if has_hidden_ggml(elf) or NEW in elf.exports:
        return "its ggml is inside of the program, not in a shared library"
    return ""


def is_ggml(elf):
    """True if the file is, or has, a ggml: it defines the scheduler, or it is ggml's base library by its name."""
    if elf.path.name.startswith("libggml-sched-attach"):
        return False
    return elf.path.name.startswith("libggml-base") or NEW in elf.exports or has_hidden_ggml(elf)


def has_ours(elf):
    return "ggml_sched_version" in elf.exports


def why_not_ggml(elf, ours):
    """Why ggml-sched cannot be attached to a shared ggml, as a clause that begins with "it"; "" if nothing is seen."""
    if (elf.is_64, elf.machine) != (ours.is_64, ours.machine):
        return f"it is for {elf.machine}, and this ggml-sched is for {ours.machine}"
    if has_ours(elf):
        return "it has ggml-sched in it already"
    if has_hidden_ggml(elf):
        return "it hides the functions of its ggml, so nothing can be put in front of these"
    if NEW not in elf.exports:
        return f"it has no scheduler: it does not export {NEW}"
    has_callers = any(name.startswith(ENGINE_PREFIXES) for name in elf.exports)
    if has_callers and (elf.is_symbolic or NEW not in elf.bound_by_name()):
        return "it has both the scheduler and its callers, and binds these calls inside"
    return ""


def unknown_functions(elf, ours):
    """The functions of ggml's scheduler that the file calls and that ggml-sched does not know."""
    return sorted(name for name in elf.imports - ours.exports if name.startswith(PREFIX))
