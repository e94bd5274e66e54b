"""Which policy files and bundle.json are refused, for independent_verifier.py: section 10 of docs/ledger.md."""

import functools

from independent_tree import key_of
from independent_verifier import HEX, ORIGIN, SLUG, Refused, decode_point, is_count, is_id, is_key_name, is_time, matches, need, unbase64

MOST = 2 ** 53 - 1


def exactly(value, *names):
    need(isinstance(value, dict) and sorted(value) == sorted(names), f"not exactly {', '.join(names)}")
    return value


def is_number(value):
    return value == 0 and not isinstance(value, bool) or is_count(value)


def is_end(value):
    return value is None or is_number(value)


@functools.lru_cache(maxsize=256)
def public(spki):
    need(isinstance(spki, str), "a key is text")
    unbase64(spki)
    try:
        key = key_of(spki)
    except SystemExit:
        raise Refused("not an Ed25519 key") from None
    decode_point(key)
    return key


def sized(entry, *names):
    """Key and interval of an entry that may have sizes; one of every size is written without them."""
    if isinstance(entry, dict) and "from_size" in entry:
        exactly(entry, *names, "spki", "from_size", "to_size")
        first, last = entry["from_size"], entry["to_size"]
        need(is_number(first) and is_end(last), "sizes are numbers")
        need((first, last) != (0, None), "every size is written without sizes")
        need(last is None or first <= last, "a key covers no size")
    else:
        need(isinstance(entry, dict) or not names, "an entry is an object")
        if names:
            exactly(entry, *names, "spki")
        first, last = 0, None
    return public(entry["spki"] if isinstance(entry, dict) else entry), first, last


def check_keys(log):
    named = [(None, *sized(entry)) for entry in log["keys"]]
    need(all(not isinstance(entry, dict) or "from_size" in entry for entry in log["keys"]), "a key alone is its text")
    for entry in log["witnesses"]:
        key = sized(entry, "name")
        need(is_key_name(entry["name"]), "not the name of a key")
        named.append((entry["name"], *key))
    need(len({key for _, key, _, _ in named}) == len(named), "a key is named twice")
    for n, (role, _, first, last) in enumerate(named):
        for m, (other, _, begins, ends) in enumerate(named):
            if n == m or role != other:
                continue
            need(role is None or begins != first, "a witness is named twice")
            within = begins > first and (last is None or begins <= last)
            need(not within or last is not None and (ends is None or ends > last), "a key does not outlast the one before")


def check_log(log):
    exactly(log, "origin", "keys", "writers", "witnesses", "witness_quorum", "max_merge_delay_seconds", "gaps")
    need(matches(ORIGIN, log["origin"]), "origin")
    need(all(isinstance(log[name], list) for name in ("keys", "writers", "witnesses", "gaps")), "lists")
    need(log["writers"], "a log has no writer")
    for writer in log["writers"]:
        exactly(writer, "spki", "from_sequence", "to_sequence")
        public(writer["spki"])
        first, last = writer["from_sequence"], writer["to_sequence"]
        need(is_count(first) and is_end(last) and (last is None or first <= last), "a writer covers no sequence")
    check_keys(log)
    quorum = log["witness_quorum"]
    need(is_number(quorum) and quorum <= len({witness["name"] for witness in log["witnesses"]}), "quorum")
    need(is_number(log["max_merge_delay_seconds"]), "max_merge_delay_seconds")
    gaps = log["gaps"]
    need(all(map(is_count, gaps)) and gaps == sorted(set(gaps)), "gaps are not ascending from 1")


def check_policy(policy):
    exactly(policy, "format", "logs", "roots", "agent_authorities")
    need(policy["format"] == "countersign-policy/1", "not a policy")
    need(all(isinstance(policy[name], list) for name in ("logs", "roots", "agent_authorities")), "lists")
    for log in policy["logs"]:
        check_log(log)
    origins = [log["origin"] for log in policy["logs"]]
    need(len(set(origins)) == len(origins), "a log is named twice")
    roots = set()
    for root in policy["roots"]:
        exactly(root, "tenant", "version", "sha256")
        need(matches(SLUG, root["tenant"]) and is_count(root["version"]) and matches(HEX, root["sha256"]), "a root")
        need((root["tenant"], root["version"]) not in roots, "a root is named twice")
        roots.add((root["tenant"], root["version"]))
    for authority in policy["agent_authorities"]:
        exactly(authority, "trust_domain", "spki_sha256", "from", "until")
        need(isinstance(authority["trust_domain"], str) and matches(HEX, authority["spki_sha256"]), "an authority")
        need(is_time(authority["from"]) and is_time(authority["until"]), "times of an authority")
        need(authority["from"] < authority["until"], "an authority counts at no time")


def check_manifest(manifest):
    exactly(manifest, "format", "log", "tree_size", "scope", "created_at")
    need(manifest["format"] == "countersign-evidence/1", "not an evidence bundle")
    need(matches(ORIGIN, manifest["log"]) and is_number(manifest["tree_size"]), "log or tree_size")
    need(isinstance(manifest["scope"], str) and is_time(manifest["created_at"]), "scope or created_at")
    kind, _, what = manifest["scope"].partition(":")
    need(kind != "change" or is_id(what, "chg"), "scope is no change")
