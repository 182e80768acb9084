"""What scripts/try-llama and scripts/try-whisper share: an engine's Python package, compiled from its source on PyPI with our
scheduler, in a virtual environment under build, and ggml's RPC servers."""

import re
import socket
import subprocess
import sys
import time

from steps import ROOT, Failed, run_logged

INJECT = ROOT / "cmake/ggml-sched-inject.cmake"


class Sandbox:
    def __init__(self, name):
        self.name = name
        self.work = ROOT / "build" / name
        self.python = self.work / "venv/bin/python"

    def create(self, *packages):
        self.work.mkdir(parents=True, exist_ok=True)
        if not self.python.exists():
            run_logged("virtual environment", [sys.executable, "-m", "venv", self.work / "venv"], f"{self.name}-venv.log")
        self.pip("dependencies", "install", *packages)

    def pip(self, title, *arguments):
        """Returns the seconds."""
        return run_logged(title, [self.python, "-m", "pip", "--disable-pip-version-check", *arguments],
                          f"{self.name}-pip.log")

    def newest_version(self, package):
        """The newest version that the registry has."""
        done = subprocess.run([self.python, "-m", "pip", "--disable-pip-version-check", "index", "versions", package],
                              capture_output=True, text=True)
        found = re.match(rf"{re.escape(package)} \((\S+)\)", done.stdout)
        if not found:
            raise Failed(f"{done.stderr}\npip does not say which version of {package} is the newest; name one")
        return found[1]

    def source_of(self, package, version):
        """The directory of the package's unpacked source."""
        name = f"{package.replace('-', '_')}-{version}"
        source = self.work / name
        if not source.exists():
            self.pip("download", "download", "--no-deps", "--no-build-isolation", "--no-binary", package, "--dest", self.work,
                     f"{package}=={version}")
            run_logged("unpack", ["tar", "-xzf", self.work / f"{name}.tar.gz", "-C", self.work], f"{self.name}-unpack.log")
        return source

    def evaluate(self, code):
        """The last line that this code prints in the environment."""
        done = subprocess.run([self.python, "-c", code], capture_output=True, text=True)
        if done.returncode:
            raise Failed(done.stderr)
        return done.stdout.split("\n")[-2]


class RpcServers:
    """ggml's RPC servers on this machine, for as long as this is open. They are started by command + [endpoint]."""

    def __init__(self, command, count):
        self.command, self.count, self.processes, self.endpoints = command, count, [], []

    def __enter__(self):
        for _ in range(self.count):
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                port = free.getsockname()[1]
            self.endpoints.append(f"127.0.0.1:{port}")
            self.processes.append(subprocess.Popen([*self.command, self.endpoints[-1]], stdin=subprocess.DEVNULL,
                                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        for process, endpoint in zip(self.processes, self.endpoints):
            self.wait_for(process, endpoint)
        return self

    @staticmethod
    def wait_for(process, endpoint):
        host, port = endpoint.split(":")
        end = time.monotonic() + 60
        while time.monotonic() < end and process.poll() is None:
            try:
                socket.create_connection((host, int(port)), timeout=1).close()
                return
            except OSError:
                time.sleep(0.1)
        raise Failed(f"the RPC server at {endpoint} does not answer")

    def __exit__(self, *_):
        for process in self.processes:
            process.terminate()
            process.wait()
