#!/usr/bin/env python3
"""A second verifier of evidence bundles, written from PROTOCOL.md section 1; it shares no code with the crate.

    independent_verifier.py BUNDLE_DIRECTORY POLICY_FILE [--shard main]

Exit code 0: the record is intact. 7: tampering. 8: something is missing. 1: no verdict (not a bundle, no such log).
Checkpoint, tree and proofs are checked in independent_sealing.py beside this file, the policy in independent_policy.py,
recorded rotations in independent_rotations.py. Standard library only; the packages `blake3` and `cryptography` are used
where they are installed. Not known here: files that belong in no bundle.
"""

import base64
import datetime
import hashlib
import json
import os
import re
import sys

MAX_COMMIT = 512 * 1024
MAX_LINE = 12 * 1024 * 1024
MAX_MANIFEST = 64 * 1024
MAX_KEY_NAME = 255
ZERO = "blake3:" + "0" * 64
ORIGIN = re.compile(r"[a-z0-9][a-z0-9.-]{0,126}")
SLUG = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
WORD = re.compile(r"[a-z][a-z0-9_]{0,62}")
HASH = re.compile(r"blake3:[0-9a-f]{64}")
HEX = re.compile(r"[0-9a-f]{64}")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", re.ASCII)
KEY_NAME = re.compile(r"[^\s+\x00-\x1f\x7f-\x9f]+")
TYPE_ID = re.compile(r"([a-z](?:[a-z_]{0,61}[a-z])?)_[0-7][0-9a-hjkmnp-tv-z]{25}")


class Refused(Exception):
    """Why something is not what it should be."""


def need(condition, why):
    if not condition:
        raise Refused(why)


# BLAKE3, sections 2.1 to 2.6 of its specification; derive_key mode only.

IV = [0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A, 0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19]
PERMUTATION = [2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8]
START, END, PARENT, ROOT, CONTEXT, MATERIAL = 1, 2, 4, 8, 32, 64
LANES = [(0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15),
         (0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14)]
M32 = 0xFFFFFFFF


def compress(key, block, length, counter, flags):
    words = [int.from_bytes(block[i:i + 4], "little") for i in range(0, 64, 4)]
    v = key + IV[:4] + [counter & M32, counter >> 32, length, flags]
    for turn in range(7):
        for lane, (a, b, c, d) in enumerate(LANES):
            for x, right, left in ((words[2 * lane], 16, 12), (words[2 * lane + 1], 8, 7)):
                v[a] = (v[a] + v[b] + x) & M32
                t = v[d] ^ v[a]
                v[d] = (t >> right | t << (32 - right)) & M32
                v[c] = (v[c] + v[d]) & M32
                t = v[b] ^ v[c]
                v[b] = (t >> left | t << (32 - left)) & M32
        words = [words[i] for i in PERMUTATION]
    return [v[i] ^ v[i + 8] for i in range(8)]


def chunk(key, data, counter, flags, root):
    blocks = [data[i:i + 64] for i in range(0, len(data), 64)] or [b""]
    value = key
    for i, block in enumerate(blocks):
        first, last = i == 0, i == len(blocks) - 1
        marks = flags | (START if first else 0) | (END if last else 0) | (ROOT if last and root else 0)
        value = compress(value, block.ljust(64, b"\0"), len(block), counter, marks)
    return value


def tree(key, data, counter, flags, root):
    if len(data) <= 1024:
        return chunk(key, data, counter, flags, root)
    left = 1024
    while left * 2 < len(data):
        left *= 2
    children = tree(key, data[:left], counter, flags, False)
    children += tree(key, data[left:], counter + left // 1024, flags, False)
    block = b"".join(word.to_bytes(4, "little") for word in children)
    return compress(key, block, 64, 0, flags | PARENT | (ROOT if root else 0))


def blake3_derive(context, material):
    try:
        import blake3
        return blake3.blake3(material, derive_key_context=context).digest()
    except ImportError:
        key = tree(IV, context.encode(), 0, CONTEXT, True)
        return b"".join(word.to_bytes(4, "little") for word in tree(key, material, 0, MATERIAL, True))


# Ed25519 verification, RFC 8032 section 5.1.7, strict: canonical encodings, no small-order points.

P = 2 ** 255 - 19
L = 2 ** 252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P


def add(p, q):
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % P, (p[1] + p[0]) * (q[1] + q[0]) % P
    c, d = 2 * p[3] * q[3] * D % P, 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def times(n, point):
    result = (0, 1, 1, 0)
    while n:
        if n & 1:
            result = add(result, point)
        point, n = add(point, point), n >> 1
    return result


def decode_point(data):
    y = int.from_bytes(data, "little")
    sign, y = y >> 255, y & (1 << 255) - 1
    need(y < P, "point is not canonical")
    xx = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(xx, (P + 3) // 8, P)
    if (x * x - xx) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    need((x * x - xx) % P == 0 and not (x == 0 and sign), "not a point")
    x = P - x if x & 1 != sign else x
    point = (x, y, 1, x * y % P)
    small = times(8, point)
    need(not (small[0] == 0 and small[1] == small[2]), "point of small order")
    return point


BASE_Y = 4 * pow(5, P - 2, P) % P
BASE = decode_point(BASE_Y.to_bytes(32, "little"))


def ed25519_verifies(public, message, signature):
    if len(signature) != 64:
        return False
    try:
        a, r = decode_point(public), decode_point(signature[:32])
    except Refused:
        return False
    s = int.from_bytes(signature[32:], "little")
    if s >= L:
        return False
    try:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
        try:
            Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
            return True
        except InvalidSignature:
            return False
    except ImportError:
        k = int.from_bytes(hashlib.sha512(signature[:32] + public + message).digest(), "little") % L
        left, right = times(s, BASE), add(r, times(k, a))
        return all((left[i] * right[2] - right[i] * left[2]) % P == 0 for i in (0, 1))


# Encodings.

def strict_json(data):
    def members(pairs):
        found = dict(pairs)
        need(len(found) == len(pairs), "duplicate member")
        return found

    def integer(text):
        number = int(text)
        need(abs(number) < 2 ** 53 and text != "-0", "number out of range")
        return number

    def refuse(_):
        raise Refused("not an integer")

    try:
        text = data.decode("utf-8")
        need(not text.startswith("\ufeff"), "byte order mark")
        value = json.loads(text, object_pairs_hook=members, parse_int=integer, parse_float=refuse,
                           parse_constant=refuse)
        text_of(value).encode("utf-8")  # lone surrogates are no UTF-8
        need(depth(value) <= 64, "nested too deeply")
        return value
    except (ValueError, RecursionError) as error:
        raise Refused(f"not JSON: {error}") from None


def text_of(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def depth(value):
    if isinstance(value, dict):
        value = list(value.values())
    return 1 + max(map(depth, value), default=0) if isinstance(value, list) else 0


def unbase64(text):
    try:
        data = base64.b64decode(text, validate=True)
    except (ValueError, TypeError):
        raise Refused("not base64") from None
    need(base64.b64encode(data).decode() == text, "base64 is not canonical")
    return data


def matches(pattern, value):
    return isinstance(value, str) and pattern.fullmatch(value) is not None


def is_count(value):
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def is_time(value):
    if not matches(TIME, value) or value[11:13] > "23":
        return False
    try:
        # Python has no year 0, which has the days of 2000.
        datetime.datetime.fromisoformat(("2000" if value[:4] == "0000" else value[:4]) + value[4:-1])
        return True
    except ValueError:
        return False


def is_key_name(value):
    return matches(KEY_NAME, value) and len(value.encode()) <= MAX_KEY_NAME


def is_id(value, prefix=None):
    found = TYPE_ID.fullmatch(value) if isinstance(value, str) else None
    return found is not None and prefix in (None, found.group(1))


def has(value, *names):
    need(isinstance(value, dict) and all(name in value for name in names), f"needs {', '.join(names)}")
    return value


# Commits.

def parse_commit(payload):
    need(len(payload) <= MAX_COMMIT, "larger than 512 KiB")
    c = has(strict_json(payload), "spec", "log", "writer", "tenant", "aggregate", "version", "prev", "command",
            "actor", "correlation_id", "causation_id", "traceparent", "time", "events")
    need(c["spec"] == 1 and is_count(c["spec"]), "spec")
    need(matches(ORIGIN, c["log"]) and matches(HEX, c["writer"]) and matches(SLUG, c["tenant"]), "names")
    aggregate = has(c["aggregate"], "type", "id")
    need(matches(WORD, aggregate["type"]) and is_id(aggregate["id"]), "aggregate")
    need(is_count(c["version"]) and matches(HASH, c["prev"]), "version or prev")
    command = has(c["command"], "id", "type", "digest")
    need(is_id(command["id"], "cmd") and matches(WORD, command["type"]) and matches(HASH, command["digest"]), "command")
    actor = has(c["actor"], "kind", "id", "auth")
    need(actor["kind"] in ("person", "service", "workflow") and is_id(actor["id"], "prn")
         and actor["auth"] in ("oidc", "token", "spiffe"), "actor")
    need(isinstance(c["correlation_id"], str) and isinstance(c["traceparent"], str), "trace")
    need(c["causation_id"] is None or is_id(c["causation_id"], "evt"), "causation_id")
    need(is_time(c["time"]), "time")
    need(isinstance(c["events"], list) and c["events"], "no events")
    for event in c["events"]:
        has(event, "id", "type", "schema", "data")
        words = event["type"].split(".") if isinstance(event["type"], str) else []
        need(is_id(event["id"], "evt") and len(words) > 1 and all(matches(WORD, word) for word in words)
             and len(event["type"]) <= 127 and is_count(event["schema"]) and event["schema"] < 2 ** 32
             and isinstance(event["data"], dict), "event")
    return c


def parse_line(raw):
    need(len(raw) <= MAX_LINE, "a line is too long")
    need(raw.endswith(b"\n"), "no newline at the end")
    line = strict_json(raw[:-1])
    need(isinstance(line, dict) and list(line) == ["sequence", "subject", "hash", "signature", "received_at", "payload"],
         "not a line's members in their order")
    need(is_count(line["sequence"]) and all(isinstance(line[name], str) for name in list(line)[1:]), "types")
    need(is_time(line["received_at"]), "received_at")
    need((text_of(line) + "\n").encode() == raw, "spelled another way")
    return line, unbase64(line["payload"])


def blob_refs(value):
    if isinstance(value, dict):
        ref = value.get("$blob")
        if len(value) == 1 and isinstance(ref, dict) and sorted(ref) == ["media_type", "sha256", "size"] \
                and matches(HEX, ref["sha256"]) and isinstance(ref["media_type"], str) \
                and (is_count(ref["size"]) or ref["size"] == 0 and not isinstance(ref["size"], bool)):
            yield ref["sha256"], ref["size"]
            return
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from blob_refs(item)


class Log:
    """One log, read line by line."""

    def __init__(self, policy, shard):
        from independent_rotations import Keys
        self.origin, self.shard, self.keys = policy["origin"], shard, Keys(policy)
        self.gaps = set(policy["gaps"])
        self.last, self.heads, self.blobs = 0, {}, {}
        # Lost sequences: those that the policy names, all others, and how many already explain a missing version.
        self.declared, self.undeclared, self.used = 0, 0, 0
        self.tampering, self.missing = [], []
        # Real h of every line by sequence, and what part of the log this is.
        self.leaves, self.scope, self.versions = {}, "log", {}

    def within(self, scope):
        kind, _, what = scope.partition(":")
        need(scope == "log" or kind in ("range", "change"), "scope is not known")
        self.scope = scope
        if kind == "range":
            first, self.end = map(int, what.split("-"))
            need(0 < first <= self.end and scope == f"range:{first}-{self.end}", "scope is no range")
            self.last = self.declared = first - 1

    def line(self, number, raw):
        try:
            line, payload = parse_line(raw)
            sequence = line["sequence"]
            need(sequence > self.last, f"sequence {sequence} after {self.last}")
        except Refused as why:
            self.tampering.append(f"line {number}: {why}")
            return
        self.skip_to(sequence)
        self.last = sequence
        self.leaves[sequence] = blake3_derive("countersign.dev/commit/v1", payload)
        if self.scope.startswith("range:") and sequence > self.end:
            self.tampering.append(f"sequence {sequence} is not in {self.scope}")
        if sequence in self.gaps:
            self.missing.append(f"sequence {sequence} is here, and the policy says that it is lost")
        try:
            self.commit(line, payload)
        except Refused as why:
            self.tampering.append(f"sequence {sequence}, line {number}: {why}")

    def skip_to(self, sequence):
        if self.scope.startswith("change:"):
            self.declared += max(0, sequence - 1 - self.last)
            return
        declared = sum(self.last < gap < sequence for gap in self.gaps)
        unnamed = sequence - 1 - self.last - declared
        self.declared, self.undeclared = self.declared + declared, self.undeclared + unnamed
        if unnamed > 0:
            self.missing.append(f"{unnamed} of the sequences {self.last + 1} to {sequence - 1} missing")

    def commit(self, line, payload):
        sequence = line["sequence"]
        h = self.leaves[sequence]
        need(line["hash"] == "blake3:" + h.hex(), "hash is wrong")
        c = parse_commit(payload)
        need(c["log"] == self.origin, "another log")
        subject = f"cs.log.{self.shard}.{c['tenant']}.{c['aggregate']['type']}.{c['aggregate']['id']}"
        need(line["subject"] == subject, "subject does not agree")
        key_id, _, signature = line["signature"].partition(" ")
        signature = unbase64(signature)
        keys = self.keys.writers(c["writer"], sequence)
        if not keys and self.keys.announces_its_writer(c, sequence):
            keys = self.keys.writers(c["writer"], sequence)
        need(key_id == c["writer"], "signed by another key")
        message = b"countersign.dev/commit-signature/v1\n" + h
        need(len(signature) == 64 and any(ed25519_verifies(key, message, signature) for key in keys), "signature is wrong")
        version, prev, declared, undeclared = self.heads.get(subject, (0, ZERO, 0, 0))
        declared, undeclared = self.declared - declared, self.undeclared - undeclared
        ahead = c["version"] - version - 1
        if 0 < ahead <= min(declared + undeclared, self.declared + self.undeclared - self.used):
            self.used += ahead
            if ahead > declared:
                self.missing.append(f"sequence {sequence}: {ahead} earlier versions missing")
        else:
            need(ahead == 0, f"version {c['version']} after {version}")
            need(c["prev"] == prev, "prev is wrong")
        self.heads[subject] = (c["version"], line["hash"], self.declared, self.undeclared)
        if self.scope == "change:" + c["aggregate"]["id"]:
            known = self.versions.get(subject, 0)
            if c["version"] == known + 1:
                self.versions[subject] = known + 1
            else:
                self.missing.append(f"sequence {sequence}: version {c['version']} after {known}")
        if sequence == 1:
            need((c["tenant"], c["aggregate"]["type"], c["events"][0]["type"]) == ("system", "log", "log.opened"),
                 "sequence 1 is not log.opened")
        self.keys.take_in(c, self.missing)
        for event in c["events"]:
            for sha256, size in blob_refs(event["data"]):
                need(self.blobs.setdefault(sha256, size) == size, f"blob {sha256} has two sizes")


def main(folder, policy_file, shard):
    # Those files import from this one. The folder of the tests stays as it is.
    sys.dont_write_bytecode = True
    from independent_policy import check_manifest, check_policy
    with open(policy_file, "rb") as file:
        policy = strict_json(file.read())
    check_policy(policy)
    with open(os.path.join(folder, "bundle.json"), "rb") as file:
        text = file.read()
    need(len(text) <= MAX_MANIFEST, "bundle.json is too large")
    manifest = strict_json(text)
    check_manifest(manifest)
    logs = [log for log in policy["logs"] if log["origin"] == manifest["log"]]
    need(len(logs) == 1, "the policy does not name this log")
    log = Log(logs[0], shard)
    log.within(manifest["scope"])
    with open(os.path.join(folder, "commits.ndjson"), "rb") as file:
        for number, raw in enumerate(file, 1):
            log.line(number, raw)
    if log.last > manifest["tree_size"]:
        log.tampering.append("lines beyond tree_size")
    if log.scope.startswith("range:"):
        log.skip_to(max(log.end, log.last) + 1)
    elif log.scope == "log":
        log.skip_to(max(manifest["tree_size"], log.last, 1) + 1)
    elif not log.versions:
        log.missing.append(f"nothing is here of {log.scope}")
    is_sealed = check_sealing(log, folder, logs[0], manifest)
    blobs = os.path.join(folder, "blobs")
    present = set(os.listdir(blobs)) if os.path.isdir(blobs) else set()
    for sha256 in sorted(present | set(log.blobs)):
        if sha256 not in present:
            log.missing.append(f"blob {sha256} missing")
        elif sha256 not in log.blobs:
            (log.missing if log.declared + log.undeclared else log.tampering).append(f"blob {sha256} named by no commit")
        else:
            with open(os.path.join(blobs, sha256), "rb") as file:
                data = file.read()
            if hashlib.sha256(data).hexdigest() != sha256 or len(data) != log.blobs[sha256]:
                log.tampering.append(f"blob {sha256} is another")
    for finding in log.tampering + log.missing:
        print(finding)
    verdict = 7 if log.tampering else 8 if log.missing else 0
    print({0: "intact", 7: "TAMPERED", 8: "incomplete"}[verdict] + f": {log.last} commits of {log.origin}")
    if not is_sealed:
        print("not sealed: the end is unprovable, which means the end of every aggregate's chain, "
              "whole aggregates, and the order between aggregates")
    if log.scope != "log":
        print(f"a part of the log, {log.scope}: later versions are unknown")
    return verdict


def check_sealing(log, folder, policy, manifest):
    from independent_sealing import check
    return check(log, folder, policy, manifest)


if __name__ == "__main__":
    arguments = sys.argv[1:]
    shard = "main"
    if "--shard" in arguments:
        at = arguments.index("--shard")
        shard = arguments[at + 1]
        del arguments[at:at + 2]
    if len(arguments) != 2:
        sys.exit(__doc__)
    # Under its own name too: the exceptions of the other files are these.
    sys.modules["independent_verifier"] = sys.modules["__main__"]
    try:
        sys.exit(main(*arguments, shard))
    except (Refused, OSError, KeyError, TypeError, ValueError) as error:
        sys.exit(f"no verdict: {error}")
