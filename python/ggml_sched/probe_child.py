"""Loads one ggml and prints what it says, as lines of JSON. probe.py runs this file in a process of its own.

    python probe_child.py ATTACH_LIBRARY GGML_LIBRARY [REGISTRY_LIBRARY]

The attach library must be in LD_PRELOAD. Each answer is printed at once, so that a crash loses none that came before.
"""

import ctypes
import json
import os
import sys


def say(**answer):
    print(json.dumps(answer), flush=True)


def text_of(function, *arguments):
    function.restype = ctypes.c_char_p
    return (function(*arguments) or b"").decode(errors="replace")


def address(function):
    return ctypes.cast(function, ctypes.c_void_p).value


def prove(attach_path):
    """Makes the attach library bind to the ggml, by a call that does nothing else. It logs on stderr if it refuses."""
    front = ctypes.CDLL(None).ggml_backend_sched_free
    if address(front) == address(ctypes.CDLL(attach_path).ggml_backend_sched_free):
        front.argtypes, front.restype = [ctypes.c_void_p], None
        front(None)
        say(asked=True)


def list_devices(registry_path):
    ggml = ctypes.CDLL(registry_path)
    ggml.ggml_backend_dev_count.restype = ctypes.c_size_t
    ggml.ggml_backend_dev_get.restype = ctypes.c_void_p
    ggml.ggml_backend_dev_get.argtypes = [ctypes.c_size_t]
    if ggml.ggml_backend_dev_count() == 0 and hasattr(ggml, "ggml_backend_load_all_from_path"):
        ggml.ggml_backend_load_all_from_path(os.path.dirname(registry_path).encode())
    count = ggml.ggml_backend_dev_count()
    for i in range(count):
        device = ctypes.c_void_p(ggml.ggml_backend_dev_get(i))
        free, total = ctypes.c_size_t(), ctypes.c_size_t()
        ggml.ggml_backend_dev_memory.restype = None
        ggml.ggml_backend_dev_memory(device, ctypes.byref(free), ctypes.byref(total))
        ggml.ggml_backend_event_new.restype = ctypes.c_void_p
        event = ggml.ggml_backend_event_new(device)
        say(device=text_of(ggml.ggml_backend_dev_name, device), type=ggml.ggml_backend_dev_type(device),
            description=text_of(ggml.ggml_backend_dev_description, device),
            free=free.value, total=total.value, has_events=bool(event))
    say(devices=count)


def main():
    attach_path, ggml_path, *registry = sys.argv[1:]
    try:
        ggml = ctypes.CDLL(ggml_path, mode=ctypes.RTLD_GLOBAL)  # so that the attach library finds it
    except OSError as error:
        say(cannot_load=str(error))
        return
    say(version=text_of(ggml.ggml_version) if hasattr(ggml, "ggml_version") else "")
    prove(attach_path)
    if registry:
        try:
            list_devices(registry[0])
        except (OSError, AttributeError) as error:
            say(no_devices=str(error))


main()
