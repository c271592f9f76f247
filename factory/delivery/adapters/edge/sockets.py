"""The listening sockets that guard, keeper and proxies share."""

import socket

from .guard import FDS


class Ports:
    """The sockets every process of the edge shares; binding or closing one here does so in all of them."""

    def __init__(self) -> None:
        self.spare = [socket.socket(fileno=fd) for fd in FDS]
        self.open = {made.getsockname()[1]: made for made in self.spare if _listens(made)}

    def serve(self, ports: set[int]) -> dict[str, str]:
        """Listen on these ports; a sentence for each that is not to be had."""
        troubles = {}
        for port in sorted(ports - self.open.keys()):
            try:
                self.open[port] = self._listen(port)
            except OSError as error:
                told = f"Port {port} is taken by another program, or not ours to take ({error.strerror}). "
                troubles[f"port {port}"] = told + "It is tried again until it is free."
        return troubles

    def _listen(self, port: int) -> socket.socket:
        free = [made for made in self.spare if not _listens(made) and made.getsockname()[1] in (0, port)]
        if not free:
            raise OSError(0, "all sockets are used up: stop and start the edge")
        made = max(
            free, key=lambda s: s.getsockname()[1]
        )  # one that had this port before is bound to it for good
        if made.getsockname()[1] == 0:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            made.bind(("127.0.0.1", port))
        made.listen(1024)
        return made

    def close_others(self, kept: set[int]) -> None:
        """Close, in every process, the ports that nobody wants any more."""
        for port in self.open.keys() - kept:
            self.open.pop(port).shutdown(socket.SHUT_RDWR)


def _listens(made: socket.socket) -> bool:
    return bool(made.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))
