"""What a program in the tree does by hand: asks the socket with the token, and reads the whole answer."""

import os
import socket
import sys

PATH, TOKEN = os.environ["SENTINEL_UNIX_SOCKET"], os.environ["SENTINEL_AUTH_TOKEN"]


def connect(path=PATH):
    stream = socket.socket(socket.AF_UNIX)
    stream.connect(path)
    return stream


def ask(stream, token=TOKEN):
    stream.sendall(f"GET / HTTP/1.1\r\nHost: localhost\r\nAuthorization: {token}\r\n\r\n".encode())
    answer = b""
    while b"\r\n\r\n" not in answer:
        piece = stream.recv(65536)
        if not piece:
            return answer
        answer += piece
    head, _, body = answer.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length:")[2].split()[0])
    while len(body) < length:
        body += stream.recv(65536)
    return head + b"\r\n\r\n" + body


def status(answer):
    return answer.split(b" ", 2)[1].decode() if answer else "closed"


def key_of(answer):
    return answer.partition(b'"AccessKeyId":"')[2].partition(b'"')[0].decode()
