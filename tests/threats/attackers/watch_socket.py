"""watch_socket.py DIRECTORY PROGRAM ARGUMENT...: what others see of the directories and sockets below DIRECTORY."""

import errno
import socket
import stat

seen, counts = set(), {"looks": 0, "sockets": 0}
OTHER = 65534


def connect_as_other(path):
    os.seteuid(OTHER)
    try:
        with socket.socket(socket.AF_UNIX) as stream:
            stream.connect(path)
        return "connected"
    except OSError as error:
        return errno.errorcode[error.errno]
    finally:
        os.seteuid(0)


def look(_pid):
    counts["looks"] += 1
    for parent, directories, files in os.walk(sys.argv[1]):
        for name in directories + files:
            path = os.path.join(parent, name)
            try:
                found = os.lstat(path)
            except FileNotFoundError:
                continue
            mode = stat.S_IMODE(found.st_mode)
            if stat.S_ISDIR(found.st_mode):
                seen.add(f"directory {mode:o}")
            elif stat.S_ISREG(found.st_mode):
                seen.add(f"file {mode:o}")
            elif stat.S_ISSOCK(found.st_mode):
                counts["sockets"] += 1
                seen.add(f"socket {mode:o}")
                if os.getuid() == 0:
                    seen.add(f"another uid {connect_as_other(path)}")


status = step(sys.argv[2:], look)
for line in sorted(seen):
    print(line)
print("enough" if counts["looks"] > 100 and counts["sockets"] > 10 else counts)
sys.exit(status)
