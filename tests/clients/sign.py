"""Signs URLs with one boto3 client, at a rate, from some threads; nothing is sent anywhere.

    python sign.py SIGNATURES SIGNATURES_PER_SECOND THREADS

Says how many were signed, with how many different access keys, and how many seconds it took. Any error ends it.
"""

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import parse_qs, urlsplit

import boto3
from botocore.config import Config

COUNT, RATE, THREADS = map(int, sys.argv[1:])

session = boto3.Session()
s3 = session.client("s3", config=Config(signature_version="s3v4"))
credentials = session.get_credentials()
start = time.monotonic()


def sign(number):
    # Each has its own moment, so that a late one does not slow those after it down.
    time.sleep(max(0, start + number / RATE - time.monotonic()))
    credentials.get_frozen_credentials()
    url = s3.generate_presigned_url("get_object", Params={"Bucket": "bucket", "Key": str(number)})
    return parse_qs(urlsplit(url).query)["X-Amz-Credential"][0].split("/")[0]


with ThreadPoolExecutor(THREADS) as pool:
    keys = list(pool.map(sign, range(COUNT)))
print(len(keys), len(set(keys)), round(time.monotonic() - start, 1))
