"""A network namespace for each cell, with the link-local addresses of container agents and instance metadata."""

import ctypes
import fcntl
import os
import socket
import struct

CLONE_NEWNET = 0x40000000
SIOCSIFFLAGS, SIOCSIFADDR, SIOCSIFNETMASK = 0x8914, 0x8916, 0x891C
IFF_UP, IFF_RUNNING = 0x1, 0x40

AGENT = "169.254.170.2"
POD_IDENTITY = "169.254.170.23"
METADATA = "169.254.169.254"


def enter_namespace():
    """Moves this thread, and the threads and processes that it starts from now on, into a new network namespace.

    The namespace has nothing but loopback. Returns False without the privilege.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNET) != 0:
        return False
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        _ioctl(control, SIOCSIFFLAGS, "lo", struct.pack("h", IFF_UP | IFF_RUNNING))
        for number, address in enumerate([AGENT, POD_IDENTITY, METADATA], 1):
            _ioctl(control, SIOCSIFADDR, f"lo:{number}", _address(address))
            _ioctl(control, SIOCSIFNETMASK, f"lo:{number}", _address("255.255.255.255"))
    return True


def namespaces_available():
    """Tries it in a child process."""
    child = os.fork()
    if child == 0:
        try:
            os._exit(0 if enter_namespace() else 1)
        except OSError:
            os._exit(1)
    return os.waitpid(child, 0)[1] == 0


def _ioctl(control, request, interface, value):
    fcntl.ioctl(control, request, struct.pack("16s16s", interface.encode(), value) + bytes(8))


def _address(text):
    return struct.pack("HH4s8x", socket.AF_INET, 0, socket.inet_aton(text))
