"""The environment that makes the loader put the attach library in front of a program's libraries."""

import os
import re

from .messages import Failed


def inherited_environment():
    """The environment that our caller gave us.

    Python sets LC_CTYPE in the locale "C", which would change the locale of the command. The kernel keeps what it was.
    """
    environment = dict(os.environ)
    if environment.get("LC_CTYPE") not in ("C.UTF-8", "C.utf8", "UTF-8"):
        return environment
    try:
        with open("/proc/self/environ", "rb") as file:
            before = dict(os.fsdecode(entry).partition("=")[::2] for entry in file.read().split(b"\0"))
    except OSError:
        return environment
    del environment["LC_CTYPE"]
    return {**environment, **({"LC_CTYPE": before["LC_CTYPE"]} if "LC_CTYPE" in before else {})}


def joined(first, rest):
    return ":".join([first, *(name for name in rest if name and name != first)])


def with_preload(environment, attach):
    """Returns the environment with the library in LD_PRELOAD, before what is there already.

    A space separates names in LD_PRELOAD. So a library in a folder with a space is named without its folder, which then
    goes into LD_LIBRARY_PATH. Nothing else is in that folder.
    """
    if re.search("[:;]", str(attach)):
        raise Failed(f"the loader cannot be given {attach}, which has a colon or a semicolon in its path; "
                     "install the package in another folder")
    name, result = str(attach), dict(environment)
    if re.search(r"\s", name):
        name = attach.name
        result["LD_LIBRARY_PATH"] = joined(str(attach.parent), environment.get("LD_LIBRARY_PATH", "").split(":"))
    result["LD_PRELOAD"] = joined(name, re.split(r"[:\s]", environment.get("LD_PRELOAD", "")))
    return result
