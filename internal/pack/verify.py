#!/usr/bin/env python3
"""Checks an unpacked evidence pack by hand: python3 ledger/verify.py [FOLDER]

Computes SHA256SUMS, the Merkle root of the log and the root of every group of
lines again, with nothing but the standard library. It checks no signature:
compare the root that it prints with a checkpoint that you hold, or use
exhibit-verify, which also checks keys, tables, coverage and the form of lines."""
import base64, collections, datetime, hashlib, itertools, json, os, sys
root = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
bad = []
sys.excepthook = lambda kind, err, _: print("\n".join(bad + ["cannot go on: %s: %s" % (kind.__name__, err)]))
def lines(name): return (l.rstrip(b"\n") for l in open(os.path.join(root, name), "rb"))
def b64(b): return base64.b64encode(b).decode()
def leaf(data): return hashlib.sha256(b"\0" + data).digest()
def tree(leaves):  # RFC 6962, in the memory of a logarithm
    stack = []
    def join(): h = stack.pop(); stack[-1] = hashlib.sha256(b"\1" + stack[-1] + h).digest()
    for n, h in enumerate(leaves):
        stack.append(h)
        while n & 1: join(); n >>= 1
    while len(stack) > 1: join()
    return stack[0] if stack else hashlib.sha256().digest()
for l in lines("SHA256SUMS"):
    want, name = l.decode().split("  ", 1)
    h = hashlib.sha256()
    with open(os.path.join(root, name), "rb") as f:
        for part in iter(lambda: f.read(1 << 20), b""): h.update(part)
    if h.hexdigest() != want: bad.append(name + ": not the content that SHA256SUMS lists")
m = json.load(open(os.path.join(root, "manifest.json"), encoding="utf-8"))
def time(s): return datetime.datetime.strptime(s[:19], "%Y-%m-%dT%H:%M:%S")
start, end = time(m["period"]["from"]).date(), (time(m["period"]["to"]) - datetime.timedelta(seconds=1)).date()
size, at, segments, gone, erased = 0, "", collections.defaultdict(list), set(), set()
def leaves():
    global size, at
    for l in lines("ledger/earlier-leaves"): size += 1; yield base64.b64decode(l + b"==")
    for n, l in enumerate(lines("ledger/records.jsonl")):
        r = json.loads(l); yield leaf(l)
        if r["at"] < at: bad.append("ledger/records.jsonl: record %d is older than the one in front of it" % r["seq"])
        at = r["at"]
        if r["seq"] != size: bad.append("ledger/records.jsonl: record %d where %d was due" % (r["seq"], size))
        if n == 0 and size and time(r["at"]) >= time(str(start) + "T00:00:00") - datetime.timedelta(hours=1):
            bad.append("ledger/records.jsonl: it starts too late for the period")
        size += 1
        for b in r.get("batch", []) if r["kind"] == "batch" else []:
            for s in b.get("segments", []):
                name = "exhibit" if b["source"] == "exhibit" and s["section"] != "rejects" else s["section"]
                if b["source"] in m["sources"] and str(start) <= s["day"] <= str(end):
                    segments[name].append((s["section"], s["day"], r["seq"], b["source"].encode(), s["count"], s["root"]))
        for s in r.get(r["kind"], {}).get("segments", []) if r["kind"] in ("expire", "rollback") else []:
            gone.add((s["section"], s["day"], s["seq"], s["source"].encode(), s["count"], s["root"]))
        for e in r.get(r["kind"], {}).get("events", []) if r["kind"] in ("erase", "refile") else []: erased.add((r["seq"], e["seq"], e["leaf"]))
head = open(os.path.join(root, "ledger/checkpoint"), encoding="utf-8").read().split("\n")
log = b64(tree(leaves()))
if [str(size), log, "at " + at] != head[1:4]: bad.append("ledger/records.jsonl: not the %s records that the checkpoint signs" % head[1])
order = "logins failed-auth mfa admin-changes access-grants credentials change-management data-access audit-log-config other rejects".split()
for name in order + ["exhibit"] * ("exhibit" in m["sources"]):
    file = lines("events/%s.jsonl" % name)
    for s in sorted(set(segments[name]) - gone, key=lambda s: (order.index(s[0]),) + s[1:4]):
        def hashed(l):
            if not l.startswith(b'{"v":1,"erased":"'): return leaf(l)
            e = json.loads(l)
            if (e["by"], s[2], e["erased"]) not in erased: bad.append("events/%s.jsonl: no record erased %s" % (name, e["id"]))
            return base64.b64decode(e["erased"])
        if b64(tree(map(hashed, itertools.islice(file, s[4])))) != s[5]:
            bad.append("events/%s.jsonl: source %s, day %s, batch %d: not the %d lines that were committed" % (name, s[3].decode(), s[1], s[2], s[4]))
    if next(file, None) is not None: bad.append("events/%s.jsonl: lines that no record has" % name)
print("\n".join(bad) or "all sums are right; compare with a checkpoint that you hold:\n%s\n%d\n%s" % (head[0], size, log))
sys.exit(1 if bad else 0)
