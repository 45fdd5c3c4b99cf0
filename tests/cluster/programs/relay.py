"""Passes the bytes of a connection on to another address, and those of the response back."""

import asyncio
import contextlib


async def relay(reader, writer, host, port):
    upstream_reader, upstream_writer = await asyncio.open_connection(host, port)
    await asyncio.gather(copy(reader, upstream_writer), copy(upstream_reader, writer))


async def copy(reader, writer):
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()
