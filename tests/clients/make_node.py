"""Installs the JavaScript packages that the tests run, AWS's SDKs and a DynamoDB, once per package-lock.json and version of Node.

    python3 tests/clients/make_node.py DIRECTORY

They are a part of the tests that may be left out: where there is no Node or no npm, that is said, and the tests that want
them are skipped by name. Two of these at once, in one directory, wait for each other; one that was interrupted is made again.
"""

import fcntl
import hashlib
import pathlib
import shutil
import subprocess
import sys

SOURCE = pathlib.Path(__file__).with_name("node")
FILES = ["package.json", "package-lock.json", ".npmrc"]


def main():
    directory = pathlib.Path(sys.argv[1])
    if not (shutil.which("node") and shutil.which("npm")):
        print("node or npm is missing: the tests that want JavaScript packages will be skipped", file=sys.stderr)
        shutil.rmtree(directory, ignore_errors=True)
        return
    node = subprocess.run(["node", "--version"], check=True, capture_output=True, text=True).stdout.strip()
    stamp = directory / "made-from"
    with open(SOURCE / "package-lock.json", "rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        wanted = f"{node} {hashlib.sha256(lock.read()).hexdigest()}\n"
        if stamp.exists() and stamp.read_text() == wanted:
            return
        print(f"making {directory}: the JavaScript packages, from {SOURCE.name}/package-lock.json", flush=True)
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)
        for name in FILES:
            shutil.copy(SOURCE / name, directory)
        # No package's own script runs: none of these needs one.
        options = ["--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
        subprocess.run(["npm", "ci", *options], cwd=directory, check=True)
        stamp.write_text(wanted)


if __name__ == "__main__":
    main()
