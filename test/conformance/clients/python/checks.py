"""Runs the checks of one client library and prints one JSON line for each: feature, result, detail."""

import json
import sys
import time
import traceback
import uuid

CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]


class NotOffered(Exception):
    """The client does not have the feature; the message says what it lacks."""


def unique(prefix):
    return f"{prefix}-{uuid.uuid4().hex[:10]}"


def eventually(what, condition, seconds=30):
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.05)


def report(client, version, feature, result, detail=""):
    line = {"client": client, "version": version, "feature": feature, "result": result, "detail": detail}
    print(json.dumps(line), flush=True)


def short(error):
    text = f"{type(error).__name__}: {error}"
    place = traceback.extract_tb(error.__traceback__)[-1]
    return f"{text[:300]} ({place.name}, line {place.lineno})"


def run(client, version, checks):
    """`checks`: feature to a function without arguments, in order. Names behind the program's bootstrap argument choose some."""
    chosen = sys.argv[2:]
    for feature, check in checks.items():
        if chosen and feature not in chosen:
            continue
        try:
            check()
            report(client, version, feature, "works")
        except NotOffered as missing:
            report(client, version, feature, "not offered", str(missing))
        except Exception as error:  # whatever a client raises is its result
            report(client, version, feature, "fails", short(error))
