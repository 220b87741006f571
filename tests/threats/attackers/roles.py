# Behind client.py: sends each line of its input as a request's first two words, on a connection of its own. Prints `STATUS BODY`.
# `flood NUMBER` asks for so many roles, none twice, on one connection where it stays open, and prints the counts of statuses.
import collections


def flood(number):
    seen, s = collections.Counter(), connect()
    for index in range(number):
        role = f"arn:aws:iam::123456789012:role/{'x' * 400}/none-{index}".encode()
        if not try_send(s, ask(TOKEN, b"GET /role-arn/" + role + b" HTTP/1.1")):
            s = connect()
            continue
        raw = answer(s)
        seen[status(raw)] += 1
        if b"Connection: close" in raw or not raw:
            s = connect()
    return json.dumps(seen)


say("ready", PATH, TOKEN.decode())
for line in sys.stdin:
    words = line.split()
    if words[0] == "flood":
        say(flood(int(words[1])))
        continue
    raw = once(ask(TOKEN, f"{words[0]} {words[1]} HTTP/1.1".encode()), words[0] != "HEAD")
    say(status(raw), raw.partition(b"\r\n\r\n")[2].decode())
