"""Receives TLS connections and passes them on in the clear: `python tls_server.py ADDRESS CERTIFICATE KEY PORT`. PORT is on 127.0.0.1."""

import asyncio
import contextlib
import ssl
import sys


async def main(address, certificate, key, port):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    async def serve(reader, writer):
        upstream_reader, upstream_writer = await asyncio.open_connection("127.0.0.1", int(port))
        await asyncio.gather(copy(reader, upstream_writer), copy(upstream_reader, writer))

    server = await asyncio.start_server(serve, address, 443, ssl=context)
    print("listening", flush=True)
    await server.serve_forever()


async def copy(reader, writer):
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


asyncio.run(main(*sys.argv[1:]))
