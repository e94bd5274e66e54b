"""What a checkpoint and proofs say about the lines of a bundle, for independent_verifier.py."""

import base64
import json
import os
import re

from independent_tree import cosigned, included, key_hash, key_of, leaf, plain, roots
from independent_verifier import Refused, is_count, is_key_name, strict_json

EMPTY = roots([])[0]
MAX_PROOF_LINE = 4096


class Wrong(Exception):
    """Why a checkpoint is not believed."""


class Unsigned(Wrong):
    """No key of the policy signed it: a recorded rotation may explain it."""


def need(condition, why):
    if not condition:
        raise Wrong(why)


def decode(text):
    data = base64.b64decode(text, validate=True)
    need(base64.b64encode(data).decode() == text, "base64 is spelled another way")
    return data


def parse_note(data):
    try:
        need(len(data) <= 65536, "note is too large")
        note = data.decode("utf-8")
        need(not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", note), "control characters")
        text, blank, lines = note.rpartition("\n\n")
        need(blank and lines.endswith("\n"), "not a note")
        signatures = []
        for line in lines[:-1].split("\n"):
            dash, name, body = line.split(" ")
            body = decode(body)
            need(dash == "\u2014" and is_key_name(name) and len(body) > 4, "not a signature line")
            signatures.append((name, body[:4], body[4:]))
        need(len(signatures) <= 64, "too many signatures")
        origin, size, root, *more = text.split("\n")
        need(size == str(int(size)) and all(more) and len(decode(root)) == 32, "not a checkpoint")
        need(0 <= int(size) < 2 ** 53 and (int(size) == 0) == (decode(root) == EMPTY), "no tree has this size and root")
        return text + "\n", signatures, origin, int(size), decode(root)
    except (ValueError, UnicodeError) as error:
        raise Wrong(f"not a checkpoint: {error}") from None


def covers(entry, size):
    """Whether the key of a policy counts at this size."""
    last = entry.get("to_size")
    return entry.get("from_size", 0) <= size and (last is None or size <= last)


def believed(data, policy):
    """Size, root and whether enough witnesses cosigned, if the policy's log signed."""
    text, signatures, origin, size, root = parse_note(data)
    need(origin == policy["origin"], "another log")
    keys = [key_of(entry["spki"] if isinstance(entry, dict) else entry) for entry in policy["keys"]]
    counting = [key for entry, key in zip(policy["keys"], keys) if not isinstance(entry, dict) or covers(entry, size)]
    if not any(plain(text, signatures, origin, key) for key in keys):
        raise Unsigned("no key of the policy signed")
    need(any(plain(text, signatures, origin, key) for key in counting), "no key of the policy signed that counts here")
    need(any(cosigned(text, signatures, origin, key) is not None for key in counting), "no time on it")
    for name, hash, body in signatures:
        known = [(origin, key) for key in keys] + [(w["name"], key_of(w["spki"])) for w in policy["witnesses"]]
        for other, key in known:
            for kind, check in ((1, plain), (4, cosigned)):
                if name == other and hash == key_hash(name, kind, key):
                    need(check(text, [(name, hash, body)], name, key) not in (False, None), "a known key's line is wrong")
    witnesses = {(w["name"], key_of(w["spki"])) for w in policy["witnesses"]
                 if covers(w, size) and cosigned(text, signatures, w["name"], key_of(w["spki"])) is not None}
    # One name is one witness, and one key is one witness; a log is not its own.
    names, used = set(), set(keys)
    for name, key in sorted(witnesses):
        if name not in names and key not in used:
            names.add(name)
            used.add(key)
    return size, root, len(names) >= policy["witness_quorum"]


def read_proofs(folder):
    path = os.path.join(folder, "proofs.ndjson")
    found = {}
    if os.path.exists(path):
        with open(path, "rb") as file:
            for raw in file:
                need(len(raw) <= MAX_PROOF_LINE, "a proof is too long")
                proof = strict_json(raw.removesuffix(b"\n"))
                members = ["sequence", "leaf_index", "tree_size", "path"]
                need(list(proof) == members and json.dumps(proof, separators=(",", ":")).encode() + b"\n" == raw,
                     "a proof is spelled another way")
                need(is_count(proof["sequence"]) and is_count(proof["tree_size"]), "numbers of a proof")
                need(proof["sequence"] == proof["leaf_index"] + 1 <= proof["tree_size"], "place of a proof")
                need(proof["sequence"] not in found, "two proofs of one sequence")
                found[proof["sequence"]] = (proof["tree_size"], [decode(hash) for hash in proof["path"]])
    return found


def check(log, folder, policy, manifest):
    """Adds findings to the log; whether it is sealed."""
    path = os.path.join(folder, "checkpoint")
    if not os.path.exists(path):
        if manifest["scope"] != "log":
            log.missing.append("a part without a checkpoint")
        return False
    try:
        with open(path, "rb") as file:
            note = file.read()
        try:
            size, root, is_witnessed = believed(note, policy)
        except Unsigned:
            need(manifest["scope"] == "log", "no key of the policy signed")
            size, root, is_witnessed = believed(note, log.keys.policy(policy))
            log.missing.append("only a key that the log rotated to signed the checkpoint")
        if size != manifest["tree_size"]:
            log.tampering.append("checkpoint and tree_size differ")
        if not is_witnessed:
            log.missing.append("too few witnesses")
        if manifest["scope"] == "log":
            check_root(log, size, root)
        else:
            check_proofs(log, folder, size, root)
    except (Wrong, Refused, ValueError, TypeError, KeyError) as why:
        log.tampering.append(f"checkpoint or proofs: {why}")
        return False
    return True


def check_root(log, size, root):
    leaves = []
    for sequence in range(1, size + 1):
        h = log.leaves.get(sequence, bytes(32) if sequence in log.gaps else None)
        if h is None:
            log.missing.append(f"no root to compare: sequence {sequence} is missing")
            return
        leaves.append(leaf(sequence, h))
    if roots(leaves)[size] != root:
        log.tampering.append(f"the first {size} messages make another root")


def check_proofs(log, folder, size, root):
    proofs = read_proofs(folder)
    for sequence, h in log.leaves.items():
        if sequence not in proofs:
            log.missing.append(f"sequence {sequence} is not proven")
            continue
        of, way = proofs.pop(sequence)
        if of != size or included(sequence - 1, size, leaf(sequence, h), way) != root:
            log.tampering.append(f"sequence {sequence}: its proof does not hold")
    log.missing.extend(f"a proof of sequence {sequence}, and no line" for sequence in proofs)
