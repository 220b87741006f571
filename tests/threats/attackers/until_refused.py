# Once told to, asks for credentials over and over until it is given none; then, if told again, until it is given some. Behind
# client.py.
#
#     until_refused.py              asks the server, a connection for each request
#     until_refused.py HELPER ...   runs the helper
#
# Prints one line of JSON for each phase: what was given, as {access key: [expiration, time of the last question]}, and
# the answer that ended the phase.
import subprocess


def from_server():
    # Servers on every endpoint are asked at once: without a pause they would leave the machine's other tests none.
    select.select([], [], [], 0.05)
    raw = once(ask())
    return status(raw) == 200, raw.partition(b"\r\n\r\n")[2].decode()


def from_helper():
    done = subprocess.run(sys.argv[1:], capture_output=True, text=True, timeout=120)
    return done.returncode == 0, done.stdout + done.stderr


fetch = from_helper if sys.argv[1:] else from_server
say("ready")
for wanted, _ in zip((False, True), sys.stdin):
    given = {}
    end = time.monotonic() + 120
    while True:
        asked = time.time()
        got, said = fetch()
        if got:
            credentials = json.loads(said)
            given[credentials["AccessKeyId"]] = [credentials["Expiration"], asked]
        if got == wanted:
            break
        if time.monotonic() > end:
            said = "it never ended"
            break
    say(json.dumps({"given": given, "last": said}))
