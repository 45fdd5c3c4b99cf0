"""A proxy for redirected connections, in place of Istio's: it connects to their original destinations, and prints those."""

import asyncio
import os
import signal
import socket
import struct
from pathlib import Path

from relay import relay

PORT = 15001
SO_ORIGINAL_DST = 80


async def main():
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, os._exit, 0)
    server = await asyncio.start_server(serve, "0.0.0.0", PORT)
    # For the startup probe.
    Path("/tmp/ready").touch()
    await server.serve_forever()


async def serve(reader, writer):
    original = writer.get_extra_info("socket").getsockopt(socket.SOL_IP, SO_ORIGINAL_DST, 16)
    port, address = struct.unpack("!2xH4s8x", original)
    print(f"connection to {socket.inet_ntoa(address)}:{port}", flush=True)
    await relay(reader, writer, socket.inet_ntoa(address), port)


asyncio.run(main())
