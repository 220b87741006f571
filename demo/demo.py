"""Shows sentinel at work against a local stand-in for AWS, and fails if anything is not as it says.

    python demo.py SENTINEL        (`make run` does this)

Everything happens on loopback and in a private temporary directory: neither ~/.aws nor AWS itself is touched.
"""

import contextlib
import json
import os
import pathlib
import secrets
import selectors
import signal
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ASK = HERE / "ask.py"
MOTO = HERE.parent / "tests" / "clients" / "moto_server.py"
# The slowest step, importing moto on a loaded machine, takes a few seconds.
DEADLINE_SECONDS = 60


class Failed(Exception):
    """An expectation that did not hold."""


def say(text=""):
    print(text, flush=True)


def expect(holds, claim, seen):
    if not holds:
        raise Failed(f"expected: {claim}\n  seen instead: {seen}")
    say(f"  ok  {claim}")


def parse(text, who):
    try:
        return json.loads(text)
    except ValueError:
        raise Failed(f"{who} printed something that is not JSON: {text!r}") from None


def read_line(process, who):
    """One line of the process's output, before the deadline."""
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        if not selector.select(DEADLINE_SECONDS):
            raise Failed(f"{who} said nothing for {DEADLINE_SECONDS} s")
    line = process.stdout.readline()
    if not line:
        raise Failed(f"{who} ended early, with status {process.wait(DEADLINE_SECONDS)}")
    return parse(line, who)


@contextlib.contextmanager
def running(command, **options):
    """A process that is gone when the block is left: it is told by the end of its input, then by a signal."""
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, **options)
    try:
        yield process
    finally:
        with contextlib.suppress(OSError):
            process.stdin.close()
        for end in (lambda: None, process.terminate, process.kill):
            end()
            try:
                process.wait(5)
                break
            except subprocess.TimeoutExpired:
                continue
        process.stdout.close()


def write_private(path, text):
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)


def environment(home, aws):
    """What the demonstration's processes see: a home of their own, and no AWS but the stand-in."""
    kept = {name: os.environ[name] for name in ("LANG", "TERM") if name in os.environ}
    for name in ("config", "runtime", "state"):
        (home / name).mkdir(mode=0o700)
    write_private(
        home / "config" / "aws",
        f"[profile base]\nregion = {aws['region']}\n\n"
        f"[profile demo]\nregion = {aws['region']}\nsource_profile = base\nrole_arn = {aws['role_arn']}\n",
    )
    write_private(
        home / "config" / "aws-credentials",
        f"[base]\naws_access_key_id = {aws['access_key']}\naws_secret_access_key = {aws['secret_key']}\n",
    )
    return kept | {
        "PATH": f"{pathlib.Path(sys.executable).parent}:{os.environ.get('PATH', '/usr/bin:/bin')}",
        "HOME": str(home),
        "TMPDIR": str(home),
        "XDG_RUNTIME_DIR": str(home / "runtime"),
        "XDG_STATE_HOME": str(home / "state"),
        "AWS_CONFIG_FILE": str(home / "config" / "aws"),
        "AWS_SHARED_CREDENTIALS_FILE": str(home / "config" / "aws-credentials"),
        "AWS_ENDPOINT_URL": aws["endpoint"],
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def run(command, env):
    """The standard output of a command that must succeed."""
    done = subprocess.run(
        command, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=DEADLINE_SECONDS
    )
    if done.returncode != 0:
        raise Failed(f"{' '.join(map(str, command))} ended with status {done.returncode}\n{done.stderr.strip()}")
    return done.stdout


def execute(sentinel, mode):
    return [sentinel, "exec", "--profile", "demo", mode, "--"]


def show_the_cli(sentinel, env, aws):
    say("$ sentinel exec --profile demo --server -- aws sts get-caller-identity")
    output = run([*execute(sentinel, "--server"), "aws", "sts", "get-caller-identity"], env)
    identity = parse(output, "the AWS CLI")
    say("\n".join("  " + line for line in json.dumps(identity, indent=2).splitlines()))
    role = aws["role_arn"].split("/")[-1]
    expected = f"arn:aws:sts::{aws['account']}:assumed-role/{role}/"
    expect(identity["Arn"].startswith(expected), "the AWS CLI, unmodified, signs as the assumed role", identity)


def show_the_thief(sentinel, env):
    say("$ sentinel exec --profile demo --unix-socket -- python ask.py     (and a thief, same user, outside the tree)")
    python = [sys.executable, str(ASK)]
    with running([*execute(sentinel, "--unix-socket"), *python, "--lend"], env=env) as inside:
        lent = read_line(inside, "the program inside the tree")
        stolen = {"SENTINEL_UNIX_SOCKET": lent["socket"], "SENTINEL_AUTH_TOKEN": lent["token"]}
        where = lent["socket"].replace(env["HOME"], "~")
        say(f"  the thief has the socket, {where}, and the token, {lent['token'][:4]}...")
        thief = parse(run(python, env | stolen), "the thief")
        expect(thief["status"] == 403, f"the thief gets 403: {thief['shown'].strip()}", thief["status"])
        guess = stolen | {"SENTINEL_AUTH_TOKEN": secrets.token_urlsafe(32)}
        made_up = parse(run(python, env | guess), "the thief")
        expect(made_up == thief, "a made-up token gets the same bytes, so the refusal tells nothing", made_up)
        inside.stdin.write("\n")
        inside.stdin.flush()
        own = read_line(inside, "the program inside the tree")
        expect(own["status"] == 200, f"the process in the tree, same token, gets 200: {own['shown']}", own)
        inside.stdin.close()
        status = inside.wait(DEADLINE_SECONDS)
        expect(status == 0, "exec ends with its command's status", status)


def main():
    if len(sys.argv) != 2 or not os.access(sys.argv[1], os.X_OK):
        sys.exit("usage: demo.py PATH-OF-SENTINEL (make run builds it and passes it)")
    sentinel = os.path.abspath(sys.argv[1])
    # An ending by signal also goes through the clean-up.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, frame: sys.exit(128 + number))
    try:
        with tempfile.TemporaryDirectory(prefix="sentinel-demo-") as home, running([sys.executable, str(MOTO)]) as moto:
            aws = read_line(moto, "moto")
            env = environment(pathlib.Path(home), aws)
            say(f"A stand-in for AWS that checks every signature listens on {aws['endpoint']} (moto).")
            say(f"Profile demo is {aws['role_arn']}, assumed with the keys of {aws['user']}.")
            say()
            show_the_cli(sentinel, env, aws)
            say()
            show_the_thief(sentinel, env)
    except (Failed, subprocess.TimeoutExpired) as failure:
        sys.exit(f"FAILED: {failure}")
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)


if __name__ == "__main__":
    main()
