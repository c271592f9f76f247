"""Becomes the product: takes its launch's lock, writes down who it is, then executes. Run by path with -I -S."""

import fcntl
import json
import os
import resource
import signal
import sys
from pathlib import Path

TAKEN = 75  # exit code: another process of this launch lives
OPEN_FILES = 4096


def take_lock(path: str, token: str) -> int:
    """The launch's lock with our name in it; it stays held while the product, or a child that inherited it, lives."""
    lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os._exit(TAKEN)
    started = int(Path("/proc/self/stat").read_text().rsplit(")", 1)[1].split()[19])
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    os.ftruncate(lock, 0)
    os.pwrite(
        lock, json.dumps({"pid": os.getpid(), "start": started, "boot": boot, "token": token}).encode(), 0
    )
    os.set_inheritable(lock, True)
    return lock


def main(order_path: str) -> None:
    """Never returns."""
    os.closerange(3, 65536)  # a listening socket that leaks into a product keeps its port for ever
    order = json.loads(Path(order_path).read_text())
    take_lock(order["lock"], order["token"])
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    files = OPEN_FILES if most == resource.RLIM_INFINITY else min(OPEN_FILES, most)
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(number, signal.SIG_DFL)  # what the keeper ignores would stay ignored after exec
    os.umask(0o077)
    os.chdir(order["cwd"])
    os.execvpe(order["argv"][0], order["argv"], order["env"])  # noqa: S606 - the order is the owner's release


if __name__ == "__main__":
    main(sys.argv[1])
