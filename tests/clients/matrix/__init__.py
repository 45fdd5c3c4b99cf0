"""The conformance suite: every client with every output. `client.py` says how to add a client."""
