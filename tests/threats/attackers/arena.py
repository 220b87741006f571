"""Trees, and strangers to them, for the attacks: each is a peer.py that is told what to do. The program that imports this
is outside of every tree.
"""

import json
import os
import signal
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
SENTINEL = os.environ["SENTINEL"]
PYTHON = sys.executable
ROOT = os.geteuid() == 0
# Where this is root, sentinel and its attackers are nobody: root sees and may do too much for a fair fight.
USER = 65534 if ROOT else os.geteuid()
PATIENCE_S = 120


class Peer:
    """Remote control of one peer.py: `peer.ask(path, token)`."""

    def __init__(self, words=(), user=USER, errors=None, env=None):
        ids = {"user": user, "group": user, "extra_groups": []} if ROOT and user is not None else {}
        words = [*words, PYTHON, f"{HERE}/peer.py"]
        self.process = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True, env=env, **ids
        )

    def __getattr__(self, function):
        return lambda *arguments: self.call(function, arguments)

    def call(self, function, arguments):
        self.process.stdin.write(json.dumps([function, *arguments]) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"no answer to {function}; it ended with {self.process.wait()}\n{self.said()}")
        return json.loads(line)

    def said(self):
        return ""

    def end(self):
        self.process.stdin.close()
        return self.process.wait()


class Child:
    """Remote control of a child of a peer, started by its `wait_as_child`."""

    def __init__(self, peer, number):
        self.peer, self.number = peer, number

    def __getattr__(self, function):
        return lambda *arguments: self.peer.through_child(self.number, function, *arguments)

    def end(self):
        self.peer.end_child(self.number)


class Tree(Peer):
    """A sentinel on this tier, and the peer that it started."""

    count = 0

    def __init__(self, tier, options=(), user=USER, prefix=(), profile="dev", env=None, transport="--unix-socket"):
        Tree.count += 1
        self.errors = os.path.join(HERE, f"errors-{Tree.count}")
        self.log = os.path.join(HERE, f"decisions-{Tree.count}")
        words = [*prefix, PYTHON, f"{HERE}/tier.py", tier, SENTINEL, "exec", "--profile", profile, transport]
        words += ["--debug", "--log-file", self.log, *options, "--"]
        with open(self.errors, "w") as errors:
            super().__init__(words, user, errors, env)
        self.socket, self.token = self.where()
        if tier != "none":
            named = f"peers are named by: {tier.partition(',')[0]}\n"
            if named not in self.said():
                raise SystemExit(f"this is not the tier {tier}: {self.said()}")
            if "by /proc" in tier and self.has_get_info():
                raise SystemExit(f"this is not the tier {tier}: PIDFD_GET_INFO works")
        # What everybody gets who is refused. The metadata endpoint tells those inside that they lack a session token.
        refused = Peer() if transport == "--ec2-server" else self
        self.refusal = refused.ask(self.socket, "x" * 43)
        if not self.refusal.startswith("HTTP/1.1 403 Forbidden\r\n"):
            raise SystemExit(f"no refusal: {self.refusal!r}")

    def said(self):
        with open(self.errors) as errors:
            return errors.read()

    def decisions(self):
        with open(self.log) as lines:
            entries = [json.loads(line) for line in lines]
        return [entry for entry in entries if "event" not in entry]

    def verdict(self, answer):
        """`served`, `refused` where it is THE refusal, `dropped` where there is none, or the answer."""
        if answer == self.refusal:
            return "refused"
        if answer == "":
            return "dropped"
        if answer.startswith("HTTP/1.1 200 OK\r\n") and "SecretAccessKey" in answer:
            return "served"
        return repr(answer)

    def stop(self):
        """Nothing is accepted until `go_on`: connections wait."""
        os.kill(self.process.pid, signal.SIGSTOP)
        until(lambda: state(self.process.pid) == "T", "sentinel to stop")

    def go_on(self):
        os.kill(self.process.pid, signal.SIGCONT)


def start(tier, prefix=(), user=USER, options=("--unix-socket",)):
    """Starts a sentinel that is expected to refuse to. Returns its status and its outputs."""
    words = [*prefix, PYTHON, f"{HERE}/tier.py", tier, SENTINEL, "exec", "--profile", "dev", *options]
    ids = {"user": user, "group": user, "extra_groups": []} if ROOT and user is not None else {}
    done = subprocess.run([*words, "--", "echo", "started"], capture_output=True, text=True, **ids)
    return done.returncode, done.stdout, done.stderr


def state(pid):
    with open(f"/proc/{pid}/stat") as stat:
        return stat.read().rpartition(")")[2].split()[0]


def until(condition, what):
    end = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > end:
            raise SystemExit(f"waited {PATIENCE_S} s for {what}")


def child_with_pid(peer, wanted):
    """Makes the peer start a child with this pid, in this pid namespace, which is the test's own."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        with open("/proc/sys/kernel/ns_last_pid", "w") as last:
            last.write(str(wanted - 1))
        found = peer.wait_as_child()
        if found == wanted:
            return
        peer.end_child(found)
        # A thread of sentinel's may have the number, and ends after some seconds.
        time.sleep(0.01)
    raise SystemExit(f"no process got the pid {wanted}")


def hand_over(giver, taker, name):
    """Passes a descriptor on; the giver keeps its own."""
    channel = os.path.join(HERE, "channel")
    taker.listen(channel)
    giver.pass_on(name, channel)
    taker.take(name, channel)


def report(case, verdict):
    print(f"{case}: {verdict}", flush=True)
