"""What an earlier step left running, as the same user: while the step runs, it looks for keys and tries what it finds."""

import os

from ask import ask, readable_environments

with open("left/during") as during:
    during.read()
key = os.environ["KNOWN_KEY"]
place = ("SENTINEL_UNIX_SOCKET", "AWS_CONTAINER_CREDENTIALS_FULL_URI")
[(name, value)] = [line.strip().split("=", 1) for line in open("left/environment") if line.startswith(place)]
seen = list(readable_environments())
tokens = [one for one in seen if one.get(name) == value]
keys = sum(one.get("AWS_ACCESS_KEY_ID") == key for one in seen)
answers = " ".join(sorted({ask(one) for one in tokens}))
with open("left/looked", "w") as looked:
    print(f"beside it: {keys} times the key, a token: {bool(tokens)}, {answers}", file=looked)
