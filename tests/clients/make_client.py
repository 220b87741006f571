"""Builds a client whose SDK is compiled, once per source and compiler; DIRECTORY/client then runs it.

    python3 tests/clients/make_client.py go|java|rust DIRECTORY

They are a part of the tests that may be left out: where the compiler is missing or too old, that is said, and the tests
that want the client are skipped by name. What is downloaded is named by digests that are committed here. Two of these at
once wait for each other; one that was interrupted is made again.
"""

import fcntl
import hashlib
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).parent
GO_1 = 24


def go(source, directory):
    # Pure Go and this toolchain: it could otherwise ask for a C compiler, or download another Go.
    environment = os.environ | {"CGO_ENABLED": "0", "GOTOOLCHAIN": "local"}
    command = ["go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", directory / "client", "."]
    subprocess.run(command, cwd=source, env=environment, check=True)


def java(source, directory):
    jars = directory / "jars"
    options = ["-DincludeScope=runtime", f"-DoutputDirectory={jars}"]
    command = ["mvn", "-q", "-B", "-f", source / "pom.xml", "dependency:copy-dependencies", *options]
    # It speaks on the standard output, also where it has nothing to say.
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit(done.stdout)
    wanted = dict(reversed(line.split()) for line in (source / "jars.sha256").read_text().splitlines())
    found = {jar.name: hashlib.sha256(jar.read_bytes()).hexdigest() for jar in jars.iterdir()}
    if found != wanted:
        sys.exit(f"these are not what jars.sha256 names: {sorted(dict(found.items() ^ wanted.items()))}")
    command = ["javac", "-cp", f"{jars}/*", "-d", directory / "classes", source / "Client.java"]
    subprocess.run(command, check=True)
    path = shlex.quote(f"{directory}/classes:{jars}/*")
    launcher = directory / "client"
    # Each test runs it for a second or two.
    launcher.write_text(f"#!/bin/sh\nexec java -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -cp {path} Client\n")
    launcher.chmod(0o755)


def rust(source, directory):
    target = directory / "target"
    manifest = source / "Cargo.toml"
    command = ["cargo", "build", "--quiet", "--locked", "--manifest-path", manifest, "--target-dir", target]
    subprocess.run(command, check=True)
    shutil.copy(target / "debug" / "client", directory)
    shutil.rmtree(target)


# What builds each, and the programs that it takes, with how each says its version.
CLIENTS = {
    "go": (go, [["go", "version"]]),
    "java": (java, [["java", "--version"], ["javac", "--version"], ["mvn", "--version"]]),
    "rust": (rust, [["cargo", "--version"], ["cc", "--version"]]),
}


def version(command):
    """What a program says of itself, or None where it is missing or, as an older Java, does not know the question."""
    if not shutil.which(command[0]):
        return None
    asked = subprocess.run(command, capture_output=True, text=True)
    return asked.stdout if asked.returncode == 0 else None


def missing(name, versions):
    """Which program is missing or too old."""
    for command, said in versions:
        if said is None:
            return f"{command[0]} is missing or too old"
    if name == "go" and int(re.search(r"go1\.(\d+)", versions[0][1])[1]) < GO_1:
        return f"this is {versions[0][1].split()[2]}, and the SDK needs Go 1.{GO_1}"
    return None


def main():
    name, directory = sys.argv[1], pathlib.Path(sys.argv[2]).resolve()
    build, programs = CLIENTS[name]
    versions = [(command, version(command)) for command in programs]
    if reason := missing(name, versions):
        print(f"{reason}: the tests that want the {name} client will be skipped", file=sys.stderr)
        shutil.rmtree(directory, ignore_errors=True)
        return
    source = HERE / name
    stamp = directory / "made-from"
    with open(HERE / "make_client.py", "rb") as this:
        fcntl.flock(this, fcntl.LOCK_EX)
        files = sorted(path for path in source.iterdir() if path.is_file())
        content = [this.read(), *(path.read_bytes() for path in files), *(said.encode() for _, said in versions)]
        digest = hashlib.sha256(b"\0".join(content)).hexdigest()
        wanted = f"{directory} {digest}\n"
        if stamp.exists() and stamp.read_text() == wanted:
            return
        print(f"making {directory}: the {name} client, from tests/clients/{name}", flush=True)
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)
        build(source, directory)
        stamp.write_text(wanted)


if __name__ == "__main__":
    main()
