#!/usr/bin/env python3
"""Serves the CPU at HOST:PORT by ggml's RPC backend, until it is ended.

    rpc_server.py HOST:PORT [THREADS]      with the pywhispercpp of GGML_RPC=ON
"""

import ctypes
import sys

from engine import function


def main(endpoint, n_threads="1"):
    by_type = function("ggml_backend_dev_by_type", ctypes.c_void_p, ctypes.c_int)
    start = function("ggml_backend_rpc_start_server", None, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_size_t,
                     ctypes.c_size_t, ctypes.POINTER(ctypes.c_void_p))
    start(endpoint.encode(), None, int(n_threads), 1, (ctypes.c_void_p * 1)(by_type(0)))


if __name__ == "__main__":
    main(*sys.argv[1:])
