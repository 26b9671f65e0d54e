"""Sweeps into a bucket of moto, in a folder of its own, with the real binaries.

    check.py BIN SWEEP

Prints a line per claim, and last "N passed, N failed"; exits 1 if one failed.
"""

import logging
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import boto3
import polars
from moto.server import ThreadedMotoServer

from claims import claim, conclude

BUCKET = "sweeps"
SECRET = "a-secret-that-nobody-is-told"
programs, sweep = Path(sys.argv[1]), sys.argv[2]

logging.getLogger("werkzeug").setLevel(logging.ERROR)
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
endpoint = "http://{}:{}".format(*server.get_host_and_port())
environment = {
    "AWS_ACCESS_KEY_ID": "an-id",
    "AWS_SECRET_ACCESS_KEY": SECRET,
    "AWS_ENDPOINT_URL": endpoint,
    "AWS_ALLOW_HTTP": "true",
    "AWS_REGION": "us-east-1",
    "TAUGRID_LOCK_TAKEOVER": "2",
    "TAUGRID_LOG": "info",
    "NO_COLOR": "1",
}
os.environ.update(environment)
s3 = boto3.client("s3", endpoint_url=endpoint)
s3.create_bucket(Bucket=BUCKET)
said = []


def start(program, *words):
    command = [programs / program, *map(str, words)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def end(process):
    stdout, stderr = process.communicate(timeout=300)
    said.append(stdout + stderr)
    return process.returncode, stdout, stderr


def wait_for(process, words):
    for line in process.stderr:
        said.append(line)
        if words in line:
            return
    raise SystemExit(f"the process ended without saying {words!r}:\n{''.join(said)}")


def taugrid(*words):
    return end(start("taugrid", *words))


def objects(prefix):
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix)
    keys = [item["Key"] for page in pages for item in page.get("Contents", [])]
    data = [key for key in keys if "/trials/" in key or key.endswith("cells.parquet")]
    return {key.removeprefix(prefix): s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() for key in data}


def files(folder):
    paths = [*folder.glob("trials/*"), folder / "cells.parquet"]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


with tempfile.TemporaryDirectory() as folder:
    folder = Path(folder)
    code, _, stderr = taugrid("run", sweep, "--out", folder / "undisturbed")
    undisturbed = files(folder / "undisturbed") if code == 0 else {}
    claim("a run into a folder ends well", code == 0, stderr)

    url, prefix = f"s3://{BUCKET}/results/a", "results/a/"
    code, stdout, stderr = taugrid("run", sweep, "--out", url)
    claim("a run into the bucket ends well", code == 0, stderr)
    claim("it leaves the bytes that a run into a folder leaves", objects(prefix) == undisturbed)
    code, stdout, stderr = taugrid("verify", url)
    claim("verify finds it sound", code == 0, stdout + stderr)
    code, _, stderr = taugrid("run", sweep, "--out", url)
    claim("run again, it has nothing to do", code == 0 and " 0 of " in stderr, stderr)
    rows = polars.scan_parquet(
        f"{url}/trials/*.parquet",
        storage_options={
            "aws_access_key_id": "an-id",
            "aws_secret_access_key": SECRET,
            "aws_endpoint_url": endpoint,
            "aws_region": "us-east-1",
            "aws_allow_http": "true",
        },
    )
    counted = rows.select(polars.len(), polars.col("steps").sum()).collect()
    local = polars.scan_parquet(folder / "undisturbed/trials/*.parquet")
    claim(
        "Polars reads it where it lies",
        counted.equals(local.select(polars.len(), polars.col("steps").sum()).collect()) and counted["len"][0] == 48000,
        counted,
    )

    url, prefix, access = f"s3://{BUCKET}/results/b", "results/b/", folder / "access.json"
    coordinator = ("taugrid-coordinator", sweep, "--out", url, "--access-file", access)
    first = start(*coordinator)
    wait_for(first, "listening")
    worker = start("taugrid-worker", "--access-file", access, "--cache", folder / "cache")
    wait_for(first, "part is durable")
    code, _, stderr = taugrid("run", sweep, "--out", url)
    claim("a second writer is refused while the first lives", code == 2 and "in use" in stderr, stderr)
    first.kill()
    first.wait()
    second = start(*coordinator)
    code, _, stderr = end(second)
    claim("when it was killed, the next one takes over and ends the sweep", code == 0, stderr)
    code, _, stderr = end(worker)
    claim("with the worker of the first", code == 0, stderr)
    claim("and the bytes are the same", objects(prefix) == undisturbed)

    code, _, stderr = taugrid("run", sweep, "--out", "s3://no-such-bucket/a")
    claim("a bucket that is not there is named", code == 2 and "no such bucket" in stderr, stderr)
    claim("nobody was told the secret", not any(SECRET in text for text in said))

server.stop()
sys.exit(conclude())
