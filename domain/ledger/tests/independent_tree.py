#!/usr/bin/env python3
"""Checks vectors/tree.json from RFC 6962 and the C2SP formats; it shares no code with the crate.

    independent_tree.py VECTORS.json

Exit code 0: everything agrees. 7: something does not, and what. Standard library; the packages `blake3` and
`cryptography` are used where they are installed.
"""

import base64
import hashlib
import json
import sys

sys.dont_write_bytecode = True  # the folder of the tests stays as it is

from independent_verifier import blake3_derive, ed25519_verifies

SPKI = bytes.fromhex("302a300506032b6570032100")


def check(condition, what):
    if not condition:
        print(f"differs: {what}")
        sys.exit(7)


def leaf(sequence, h):
    return hashlib.sha256(b"\0" + sequence.to_bytes(8, "big") + h).digest()


def node(left, right):
    return hashlib.sha256(b"\1" + left + right).digest()


def split(size):
    return 1 << (size - 1).bit_length() - 1


def fold(peaks):
    """The root over complete subtrees, largest first."""
    root = peaks[-1]
    for peak in reversed(peaks[:-1]):
        root = node(peak, root)
    return root


def roots(leaves):
    """The roots of every prefix."""
    found, peaks = [hashlib.sha256(b"").digest()], []
    for value in leaves:
        size = 1
        while peaks and peaks[-1][0] == size:
            value, size = node(peaks.pop()[1], value), size * 2
        peaks.append((size, value))
        found.append(fold([hash for _, hash in peaks]))
    return found


def included(index, size, value, path):
    """RFC 9162 section 2.1.3.2; None where the path has the wrong length."""
    first, last = index, size - 1
    for hash in path:
        if last == 0:
            return None
        if first & 1 or first == last:
            value = node(hash, value)
            while not first & 1 and first:
                first, last = first >> 1, last >> 1
        else:
            value = node(value, hash)
        first, last = first >> 1, last >> 1
    return value if last == 0 else None


def consistent(start, end, old, path):
    """RFC 9162 section 2.1.4.2: the two roots that the path leads to."""
    if start == end:
        return (old, old) if not path else None
    if start & (start - 1) == 0:
        path = [old] + path
    if not path:
        return None
    first, last = start - 1, end - 1
    while first & 1:
        first, last = first >> 1, last >> 1
    earlier = later = path[0]
    for hash in path[1:]:
        if last == 0:
            return None
        if first & 1 or first == last:
            earlier, later = node(hash, earlier), node(hash, later)
            while not first & 1 and first:
                first, last = first >> 1, last >> 1
        else:
            later = node(later, hash)
        first, last = first >> 1, last >> 1
    return (earlier, later) if last == 0 else None


def key_of(spki):
    der = base64.b64decode(spki, validate=True)
    check(der.startswith(SPKI) and len(der) == 44, "a key")
    return der[12:]


def key_hash(name, kind, key):
    return hashlib.sha256(name.encode() + b"\n" + bytes([kind]) + key).digest()[:4]


def note_parts(note):
    text, _, lines = note.rpartition("\n\n")
    check(text and lines.endswith("\n"), "a note's shape")
    signatures = []
    for line in lines[:-1].split("\n"):
        dash, name, data = line.split(" ")
        check(dash == "\u2014", "a signature line")
        data = base64.b64decode(data, validate=True)
        signatures.append((name, data[:4], data[4:]))
    return text + "\n", signatures


def plain(text, signatures, name, key):
    return any(n == name and h == key_hash(name, 1, key) and ed25519_verifies(key, text.encode(), s)
               for n, h, s in signatures)


def cosigned(text, signatures, name, key):
    for n, h, s in signatures:
        if n == name and h == key_hash(name, 4, key):
            time = int.from_bytes(s[:8], "big")
            if 0 < time < 2 ** 63 and ed25519_verifies(key, f"cosignature/v1\ntime {time}\n{text}".encode(), s[8:]):
                return time
    return None


def main(path):
    with open(path, "rb") as file:
        vectors = json.load(file)
    hashes = [bytes.fromhex(h) for h in vectors["h"]]
    for sequence, h in enumerate(hashes, 1):
        made = bytes(32) if sequence % 97 == 0 else \
            blake3_derive("countersign.dev/commit/v1", f"payload {sequence}".encode())
        check(h == made, f"h of sequence {sequence}")
    leaves = [leaf(sequence, h) for sequence, h in enumerate(hashes, 1)]
    ours = roots(leaves)
    given = [base64.b64decode(root) for root in vectors["roots"]]
    for size, (one, other) in enumerate(zip(ours, given, strict=True)):
        check(one == other, f"root of size {size}")
    for proof in vectors["inclusions"]:
        index, size = proof["leaf_index"], proof["tree_size"]
        way = [base64.b64decode(hash) for hash in proof["path"]]
        check(proof["sequence"] == index + 1 <= size, f"place of {proof}")
        check(included(index, size, leaves[index], way) == ours[size], f"inclusion of {index} in {size}")
    for proof in vectors["consistencies"]:
        start, end = proof["from"], proof["to"]
        way = [base64.b64decode(hash) for hash in proof["path"]]
        roots_there = consistent(start, end, ours[start], way)
        check(roots_there == (ours[start], ours[end]), f"consistency of {start} and {end}")
    sizes = sorted({proof["tree_size"] for proof in vectors["inclusions"]})
    for size, note in zip(sizes, vectors["checkpoints"], strict=True):
        text, signatures = note_parts(note)
        root = base64.b64encode(ours[size]).decode()
        check(text == f"{vectors['origin']}\n{size}\n{root}\n", f"text of checkpoint {size}")
        for key in map(key_of, vectors["keys"]):
            check(plain(text, signatures, vectors["origin"], key), f"signature of checkpoint {size}")
            time = cosigned(text, signatures, vectors["origin"], key)
            check(time == vectors["sealed_at"], f"time of checkpoint {size}")
        for witness in vectors["witnesses"]:
            time = cosigned(text, signatures, witness["name"], key_of(witness["spki"]))
            check(time == vectors["cosigned_at"], f"{witness['name']} on checkpoint {size}")
    print(f"agree: {len(ours)} roots, {len(vectors['inclusions'])} inclusions, "
          f"{len(vectors['consistencies'])} consistencies, {len(vectors['checkpoints'])} checkpoints")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
