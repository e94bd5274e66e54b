"""Rotations and revocations that a log records, for independent_verifier.py: section 7.1 of docs/ledger.md."""

import copy
import hashlib

from independent_policy import public
from independent_verifier import Refused, ed25519_verifies, has, is_count, is_key_name, need, unbase64

DOMAIN = b"countersign.dev/key-rotation/v1\n"
MOST_ANNOUNCED = 64


def is_by(spki, text, message):
    try:
        key_id, _, signature = text.partition(" ")
        return key_id == hashlib.sha256(unbase64(spki)).hexdigest() and ed25519_verifies(public(spki), message, unbase64(signature))
    except Refused:
        return False


def checked(data, log):
    """Place, old key, new key and beginning of a rotation that both keys signed for this log."""
    r = has(data, "log", "role", "name", "old", "new", "from", "old_signature", "new_signature")
    need(all(isinstance(r[name], str) for name in ("log", "role", "old", "new", "old_signature", "new_signature")), "a rotation's texts")
    need(r["log"] == log and r["role"] in ("writer", "log", "witness"), "of another log or role")
    need(is_key_name(r["name"]) if r["role"] == "witness" else r["name"] is None, "a rotation names a witness and nobody else")
    need(is_count(r["from"]) and r["from"] > 1, "a rotation begins after 1")
    old, new = public(r["old"]), public(r["new"])
    need(old != new, "one key")
    message = DOMAIN
    for field in (r["log"].encode(), r["role"].encode(), (r["name"] or "").encode(), unbase64(r["old"]), unbase64(r["new"]),
                  r["from"].to_bytes(8, "big")):
        message += len(field).to_bytes(4, "big") + field
    need(is_by(r["old"], r["old_signature"], message) and is_by(r["new"], r["new_signature"], message), "not signed by both keys")
    return (r["role"], r["name"]), r["old"], r["new"], r["from"]


def covers(interval, at):
    _, first, last = interval
    return first <= at and (last is None or at <= last)


class Keys:
    """By role and witness: keys as SPKI with first and last; as the policy has them, and with what the log adds."""

    def __init__(self, policy):
        self.log, self.in_force, self.announcements = policy["origin"], {}, 0
        self.known = {("writer", None): [[w["spki"], w["from_sequence"], w["to_sequence"]] for w in policy["writers"]],
                      ("log", None): []}
        for key in policy["keys"]:
            entry = key if isinstance(key, dict) else {"spki": key}
            self.known["log", None].append([entry["spki"], entry.get("from_size", 0), entry.get("to_size")])
        for w in policy["witnesses"]:
            self.known.setdefault(("witness", w["name"]), []).append([w["spki"], w.get("from_size", 0), w.get("to_size")])
        self.announced = copy.deepcopy(self.known)

    def writers(self, key_id, sequence):
        return [public(one[0]) for one in self.announced["writer", None]
                if hashlib.sha256(unbase64(one[0])).hexdigest() == key_id and covers(one, sequence)]

    def read(self, data):
        place, old, new, first = checked(data, self.log)
        need(self.in_force.get(place, old) == old, "the old key is not in force")
        return place, old, new, first

    def announce(self, place, old, new, first):
        """Reads on with the new key where the old one counts up to it."""
        intervals = self.announced.setdefault(place, [])
        is_new = all(one[0] != new for one in intervals)
        self.announcements += is_new
        before = next((one for one in intervals if one[0] == old and covers(one, first - 1)), None)
        if before is None or is_new and self.announcements > MOST_ANNOUNCED:
            return False
        before[2] = first - 1
        if is_new or place[0] != "writer":
            intervals.append([new, first, None])
        return True

    def announces_its_writer(self, c, sequence):
        if (c["tenant"], c["aggregate"]["type"]) != ("system", "log"):
            return False
        for event in c["events"]:
            if event["type"] == "log.key_rotated":
                try:
                    place, old, new, first = self.read(event["data"])
                except Refused:
                    continue
                if place[0] == "writer" and first <= sequence and hashlib.sha256(unbase64(new)).hexdigest() == c["writer"]:
                    return self.announce(place, old, new, first)
        return False

    def take_in(self, c, missing):
        """What a good commit says about keys. One that is false is refused."""
        if (c["tenant"], c["aggregate"]["type"]) != ("system", "log"):
            return
        for event in c["events"]:
            if event["type"] == "log.key_rotated":
                self.rotated(*self.read(event["data"]), missing)
            elif event["type"] == "log.key_revoked":
                self.revoked(event["data"], missing)

    def rotated(self, place, old, new, first, missing):
        self.in_force[place] = new
        known = self.known.get(place, [])
        if all(one[0] != new for one in known):
            if self.announce(place, old, new, first):
                missing.append(f"the policy lacks a rotation of {place[0]} from {first} on")
        elif any(one[0] == old and (one[2] is None or one[2] >= first) or one[0] == new and one[1] < first for one in known):
            missing.append(f"the policy has other intervals than the rotation of {place[0]} from {first} on")

    def revoked(self, data, missing):
        try:
            has(data, "role", "spki", "last_trusted")
            need(is_count(data["last_trusted"] + 1) and data["role"] in ("writer", "log", "witness"), "a revocation")
            need(type(data["last_trusted"]) is int and isinstance(data.get("name"), (str, type(None))), "a revocation")
            public(data["spki"])
        except (Refused, TypeError):
            return
        self.in_force = {place: key for place, key in self.in_force.items() if key != data["spki"]}
        last = data["last_trusted"]
        for key, first, to in self.known.get((data["role"], data.get("name")), []):
            if key == data["spki"] and first <= last and (to is None or to > last):
                missing.append(f"the policy trusts a revoked key of {data['role']} beyond {last}")

    def policy(self, policy):
        """The policy with what the log adds about checkpoints."""
        sized = [({"spki": key, "from_size": first, "to_size": last}, place)
                 for place, intervals in self.announced.items() for key, first, last in intervals]
        keys = [entry for entry, place in sized if place[0] == "log"]
        witnesses = [{"name": place[1], **entry} for entry, place in sized if place[0] == "witness"]
        return {**policy, "keys": keys, "witnesses": witnesses}
