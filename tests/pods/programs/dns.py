"""The cluster's DNS server, which knows one name: `python3 dns.py NAME ADDRESS`."""

import socket
import struct
import sys

A, NAME_ERROR = 1, 3


def response(query, name, address):
    """Returns the address for A queries, no records for other queries, and NXDOMAIN for other names."""
    labels, position = [], 12
    while length := query[position]:
        labels.append(query[position + 1 : position + 1 + length].decode("ascii", "replace").lower())
        position += 1 + length
    question = query[12 : position + 5]
    kind = struct.unpack("!H", query[position + 1 : position + 3])[0]
    known = ".".join(labels) == name
    record = struct.pack("!HHHIH", 0xC00C, A, 1, 5, 4) + socket.inet_aton(address) if known and kind == A else b""
    flags = 0x8180 | (0 if known else NAME_ERROR)
    return query[:2] + struct.pack("!HHHHH", flags, 1, bool(record), 0, 0) + question + record


def main(name, address):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("0.0.0.0", 53))
        print("listening", flush=True)
        while True:
            query, client = server.recvfrom(512)
            server.sendto(response(query, name, address), client)


if __name__ == "__main__":
    main(*sys.argv[1:])
