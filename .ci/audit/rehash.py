"""Recomputes the root of an audit trail's Merkle tree (RFC 6962) from its lines.

Usage: rehash.py audit.log
Prints the number of records, the root that they have, and the root that the last
checkpoint signs, in base64. It shares nothing with the library.
"""
import base64, hashlib, json, sys


def sha(data):
    return hashlib.sha256(data).digest()


def root(leaves):
    if not leaves:
        return sha(b"")
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return sha(b"\x01" + root(leaves[:k]) + root(leaves[k:]))


leaves, signed = [], None
for line in open(sys.argv[1], "rb"):
    line = line.rstrip(b"\n")
    if line.startswith(b'{"seq":'):
        assert json.loads(line)["seq"] == len(leaves)
        leaves.append(sha(b"\x00" + line))
    else:
        signed = json.loads(line)["checkpoint"].split("\n")[2]
print(len(leaves), base64.b64encode(root(leaves)).decode(), signed)
