"""Makes the Python environment that the demonstration and the client tests run in, once per requirements.txt.

    python3 tests/clients/make_venv.py DIRECTORY

Two of these at once, in one directory, wait for each other; one that was interrupted is made again.
"""

import fcntl
import hashlib
import pathlib
import shutil
import subprocess
import sys
import venv

REQUIREMENTS = pathlib.Path(__file__).with_name("requirements.txt")


def main():
    if sys.version_info < (3, 11):
        sys.exit(f"Python {sys.version.split()[0]} is too old for the test clients: 3.11 or later is needed")
    directory = pathlib.Path(sys.argv[1])
    python = directory / "bin" / "python"
    stamp = directory / "made-from"
    with open(REQUIREMENTS, "rb") as requirements:
        fcntl.flock(requirements, fcntl.LOCK_EX)
        digest = hashlib.sha256(requirements.read()).hexdigest()
        wanted = f"{sys.version_info.major}.{sys.version_info.minor} {digest}\n"
        if python.exists() and stamp.exists() and stamp.read_text() == wanted:
            return
        print(f"making {directory}: the AWS CLI, boto3 and moto, from {REQUIREMENTS.name}", flush=True)
        shutil.rmtree(directory, ignore_errors=True)
        venv.create(directory, with_pip=True)
        subprocess.run(
            [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", REQUIREMENTS], check=True
        )
        mend_launcher(directory / "bin" / "aws")
        stamp.write_text(wanted)


def mend_launcher(aws):
    """The AWS CLI's launcher names its interpreter in a `#!` line, which the kernel cuts at a blank and at 127 bytes."""
    interpreter = aws.read_text().splitlines()[0]
    if " " in interpreter or len(interpreter.encode()) > 127:
        aws.write_text('#!/bin/sh\nexec "$(dirname "$0")/python" -m awscli "$@"\n')


if __name__ == "__main__":
    main()
