"""Receives TLS connections and passes them on in the clear: `python tls_server.py ADDRESS CERTIFICATE KEY PORT`. PORT is on 127.0.0.1."""

import asyncio
import ssl
import sys

from relay import relay


async def main(address, certificate, key, port):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    async def serve(reader, writer):
        await relay(reader, writer, "127.0.0.1", int(port))

    server = await asyncio.start_server(serve, address, 443, ssl=context)
    print("listening", flush=True)
    await server.serve_forever()


asyncio.run(main(*sys.argv[1:]))
