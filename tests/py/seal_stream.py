"""Opens one message from standard input with the official SDK, as a stream.

Usage: seal_stream.py p384 PRIVATE.pem < message; prints the plaintext's SHA-256 and size.
"""

import hashlib
import sys

from seal_interop import client, keyring


def main():
    curve, pem = sys.argv[1:]
    digest, size = hashlib.sha256(), 0
    with client.stream(
        mode="d", source=sys.stdin.buffer, keyring=keyring({"curve": curve, "pem": pem}, True)
    ) as opened:
        while chunk := opened.read(1 << 20):
            digest.update(chunk)
            size += len(chunk)
    print(digest.hexdigest(), size)


if __name__ == "__main__":
    main()
