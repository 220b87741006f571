"""What the step leaves behind: was served while the step ran, and asks until it is not."""

import os
import time

from ask import ask

first = ask(os.environ)
with open("left/served", "w") as served:
    print(first, file=served)
while (answer := ask(os.environ)) == "200":
    time.sleep(0.02)
with open("left/ended", "w") as ended:
    print(f"left behind: {first}, then {answer}", file=ended)
