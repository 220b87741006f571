"""hammer_connect.py DIRECTORY: connects to every socket that it can find or guess below DIRECTORY, until stdin ends.

Prints `tried NAME` once a directory's socket has been tried often enough, and `CONNECTED PATH` if it ever worked.
"""

import errno
import os
import select
import socket
import sys

attempts = {}
while not select.select([sys.stdin], [], [], 0)[0]:
    for name in os.listdir(sys.argv[1]):
        path = os.path.join(sys.argv[1], name, "s.sock")
        try:
            with socket.socket(socket.AF_UNIX) as stream:
                stream.connect(path)
            print("CONNECTED", path, flush=True)
        except OSError as error:
            # Nothing there yet, no way in, or nobody home.
            assert error.errno in (errno.ENOENT, errno.EACCES, errno.ECONNREFUSED), error
        attempts[name] = attempts.get(name, 0) + 1
        if attempts[name] == 200:
            print("tried", name, flush=True)
print("end", flush=True)
