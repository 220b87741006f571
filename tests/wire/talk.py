# Follows the test's orders, one JSON object a line: {"pieces": [hex, ...], "closes": whether the answer ends the connection}.
# Each piece is sent once the server has read those before it. "@TOKEN@" stands for the token, and
# "@HOST@" and "@PORT@" for the listener's name and port; "@TO_N@" fills its piece up to N bytes. What is written for the container
# endpoint asks the metadata endpoint for the same in its own way: another path, and another header.
import re


def translate(piece):
    if HEADER.startswith(b"X-aws"):
        piece = re.sub(rb"(?i)\bauthorization:", HEADER[:-1], piece)
        piece = piece.replace(b" / HTTP/1.1", LINE.removeprefix(b"GET"))
    piece = piece.replace(b"@TOKEN@", TOKEN).replace(b"@HOST@", HOST).replace(b"@PORT@", HOST.rpartition(b":")[2])
    return re.sub(rb"@TO_(\d+)@", lambda found: b"x" * (int(found[1]) - len(piece) + len(found[0])), piece)


# A service has asked AWS for nothing yet.
while status(once(ask())) == 503:
    pass
for order in map(json.loads, sys.stdin):
    s = connect()
    for piece in order["pieces"]:
        if not try_send(s, translate(bytes.fromhex(piece))):
            break
        if len(order["pieces"]) > 1:
            wait_until_read(s)
    try:
        raw = to_end(s) if order["closes"] else answer(s)
        again = b"" if order["closes"] else (try_send(s, ask()), answer(s))[1]
        say(json.dumps({"raw": raw.hex(), "again": again.hex()}))
    except TimeoutError:
        say(json.dumps({"error": "the connection stays open"}))
    s.close()
