"""Plays a CI system's runner: runs the job that docs/ci.md has for it, as that system would.

    python runner.py github|gitlab DIRECTORY < SITUATION

The situation is JSON: `document`, the page's text; `secrets`, by name; `program`, a file that is served where the job's
URL points; `before`, lines that run first on the machine; `after`, lines that run in place of the page's `./report.sh`;
`wrong_digest`, to pin something else than what is served. Writes a line of JSON for each step,
its name, status and output; then `end`.

What is played is what GitHub and GitLab document: each `run` is a script of its own under `bash -e`, with GITHUB_ENV,
GITHUB_OUTPUT and GITHUB_PATH files that are read after the step; a GitLab job is one shell for before_script and script,
which stop at the first failure, and another for after_script, with the variables whose environment scope is the job's.
"""

import functools
import hashlib
import http.server
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import threading

import yaml


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


def serve(program):
    """The place of one's own that the job gets the program from. Returns its URL."""
    program = pathlib.Path(program)
    handler = functools.partial(Quiet, directory=program.parent)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}/{program.name}"


def job_of(document, wanted):
    """The one YAML block of the page that has this key."""
    blocks = [yaml.safe_load(block) for block in re.findall(r"^```yaml\n(.*?)^```$", document, re.S | re.M)]
    [found] = [block for block in blocks if wanted in block]
    return found


def run(name, words, environment, directory):
    """Runs one script to its end. Its output goes to a file: what it leaves behind may hold that open."""
    with tempfile.TemporaryFile("w+") as output:
        done = subprocess.run(
            words, env=environment, cwd=directory, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        )
        output.seek(0)
        text = output.read()
    print(json.dumps({"name": name, "status": done.returncode, "output": text}), flush=True)
    return done.returncode


def pairs(text):
    """The lines of a GITHUB_ENV file: NAME=VALUE, or NAME<<END, lines, END."""
    lines = iter(text.splitlines())
    for line in lines:
        if match := re.match(r"([^=<]+)<<(.+)$", line):
            yield match[1], "\n".join(iter(functools.partial(next, lines), match[2]))
        elif line:
            yield tuple(line.split("=", 1))


def github(situation, directory, machine, pinned):
    [job] = job_of(situation["document"], "jobs")["jobs"].values()
    temporary = directory / "runner"
    temporary.mkdir()
    values = {f"secrets.{name}": value for name, value in situation["secrets"].items()}

    def expanded(mapping):
        # An expression that is not known here is a KeyError: it must not pass for an empty one.
        fill = functools.partial(re.sub, r"\$\{\{ *(.*?) *\}\}", lambda match: values[match[1]])
        return {name: fill(str(text)) for name, text in (mapping or {}).items()}

    environment = {**machine, "CI": "true", "GITHUB_ACTIONS": "true", "RUNNER_TEMP": str(temporary)}
    environment |= expanded(job.get("env")) | pinned
    of_steps, paths = {}, []
    before, after = ([{"name": when, "run": line} for line in situation[when]] for when in ("before", "after"))
    steps = before + job["steps"][:-1] + after
    assert job["steps"][-1]["run"] == "./report.sh", "the page's last step is one that gets nothing"
    for number, step in enumerate(steps):
        if "uses" in step:
            assert step["uses"].startswith("actions/checkout@"), step
            continue
        files = {name: temporary / f"{number}-{name}" for name in ("GITHUB_ENV", "GITHUB_OUTPUT", "GITHUB_PATH")}
        for file in files.values():
            file.touch()
        script = temporary / f"{number}.sh"
        script.write_text(step["run"])
        own = environment | of_steps | expanded(step.get("env")) | {name: str(path) for name, path in files.items()}
        own["PATH"] = os.pathsep.join([*paths, own["PATH"]])
        if status := run(step["name"], ["bash", "-e", str(script)], own, directory / "workspace"):
            return status
        # As the runner refuses them: these would change how it itself runs.
        forbidden = ("GITHUB_", "RUNNER_", "NODE_OPTIONS", "PATH")
        of_steps |= {n: v for n, v in pairs(files["GITHUB_ENV"].read_text()) if not n.startswith(forbidden)}
        paths = [*files["GITHUB_PATH"].read_text().splitlines(), *paths]
    return 0


def gitlab(situation, directory, machine, pinned):
    page = job_of(situation["document"], "stages")
    jobs = sorted((job for job in page if job != "stages"), key=lambda job: page["stages"].index(page[job]["stage"]))
    assert page[jobs[-1]]["script"] == ["./report.sh"], "the page's last job is one that gets nothing"
    for name in jobs:
        job = page[name]
        script = [*job.get("before_script", []), *job["script"]]
        if name == jobs[0]:
            script = situation["before"] + script
        if name == jobs[-1]:
            script = situation["after"]
        own = {**machine, "CI": "true", "GITLAB_CI": "true", **job.get("variables", {}), **pinned}
        if job.get("environment") == "production":
            own |= situation["secrets"]
        shell = ["bash", "-eo", "pipefail", "-c"]
        status = run(name, [*shell, "\n".join(script)], own, directory / "workspace")
        if after := job.get("after_script"):
            run(f"{name}, after_script", [*shell, "\n".join(after)], own, directory / "workspace")
        if status:
            return status
    return 0


def main():
    system, directory = sys.argv[1], pathlib.Path(sys.argv[2])
    situation = json.load(sys.stdin)
    digest = hashlib.sha256(pathlib.Path(situation["program"]).read_bytes()).hexdigest()
    if situation["wrong_digest"]:
        digest = hashlib.sha256(b"another program").hexdigest()
    pinned = {"SENTINEL_URL": serve(situation["program"]), "SENTINEL_SHA256": digest}
    play = {"github": github, "gitlab": gitlab}[system]
    status = play(situation, directory, dict(os.environ), pinned)
    print("end", flush=True)
    sys.exit(status)


if __name__ == "__main__":
    main()
