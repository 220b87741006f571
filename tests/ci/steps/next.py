"""A later step: what it has, what the earlier one told it, and what came of what that left running."""

import os
import re

from ask import ask, readable_environments

own = [name for name in os.environ if re.match("AWS_.*(KEY|TOKEN|SECRET|CREDENTIALS_FULL)|SENTINEL_(AUTH|UNIX)", name)]
told = dict(line.rstrip("\n").split("=", 1) for line in open("left/environment") if "=" in line)
print(open("left/ended").read(), end="")
print("given:", *sorted(own) or ["nothing"])
print("with the token that was left:", ask(told))
key = os.environ["KNOWN_KEY"]
print("processes with the key:", sum(one.get("AWS_ACCESS_KEY_ID") == key for one in readable_environments()))
