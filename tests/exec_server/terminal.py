# A terminal that is typed into. Every wait has a deadline.

import os
import pty
import select
import shlex
import signal
import sys
import time

SENTINEL, PYTHON, CHILD = (os.environ[name] for name in ("SENTINEL", "PYTHON", "CHILD"))
PROMPT = "(bash)> "


def exec_(*command):
    return [SENTINEL, "exec", "--profile", "base", "--unix-socket", "--", *command]


class Terminal:
    def __init__(self, command):
        self.seen, self.done = "", 0
        self.deadline = time.monotonic() + 120
        self.pid, self.master = pty.fork()
        if self.pid == 0:
            os.execvp(command[0], command)

    def type(self, keys):
        os.write(self.master, keys)

    def fill(self, why):
        left = self.deadline - time.monotonic()
        if left <= 0 or not select.select([self.master], [], [], left)[0]:
            sys.exit(f"waited too long for {why} after {self.seen!r}")
        try:
            piece = os.read(self.master, 65536)
        except OSError:
            piece = b""  # Linux's way to say that nobody has the terminal open any more.
        self.seen += piece.decode(errors="replace")
        return piece

    def expect(self, text):
        """Waits for `text` behind what was expected before."""
        while (found := self.seen.find(text, self.done)) < 0:
            if not self.fill(repr(text)):
                sys.exit(f"it ended before {text!r}: {self.seen!r}")
        self.done = found + len(text)

    def settle(self):
        """Waits until sentinel, where that is what was started, has seen every signal so far: it passes them on in order."""
        os.kill(self.pid, signal.SIGUSR1)
        self.expect("<USR1>")

    def ends_with(self, status):
        while self.fill("the end"):
            pass
        code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        if code != status:
            sys.exit(f"status {code}, not {status}: {self.seen!r}")
        print("as expected")


class Bash(Terminal):
    def __init__(self, command=("bash", "--norc", "--noprofile", "-i")):
        os.environ["PS1"] = PROMPT
        super().__init__(list(command))
        self.prompt()
        self.type(b"bind 'set enable-bracketed-paste off'; unset HISTFILE\n")
        self.prompt()

    def prompt(self):
        self.expect(PROMPT)

    def run(self, words):
        self.type((" ".join(word if word == "&" else shlex.quote(word) for word in words) + "\n").encode())
        # Its echo.
        self.expect("\n")

    def ask(self, command, answer):
        """Asks until the answer has `answer` in it."""
        self.type(b"\n")
        self.prompt()
        while True:
            begin = self.done
            self.type(f"{command}; echo asked\n".encode())
            self.expect("\nasked\r\n")
            self.prompt()
            if answer in self.seen[begin : self.done]:
                return

    def status(self, status):
        """Waits for the last command's end."""
        self.prompt()
        self.type(b"echo status=$?\n")
        self.expect(f"\nstatus={status}\r\n")
        self.prompt()

    def leave(self):
        self.type(b"exit 0\n")
        self.ends_with(0)
