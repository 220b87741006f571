"""An independent STS client: botocore. One JSON request a line on stdin, one JSON answer a line on stdout."""

import datetime
import http.client
import json
import sys
import urllib.parse

import botocore.auth
import botocore.config
import botocore.session
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

CONFIG = botocore.config.Config(retries={"total_max_attempts": 1}, read_timeout=120, connect_timeout=120)


def api(ask):
    """Calls an operation with botocore's own client."""
    client = botocore.session.get_session().create_client(
        "sts",
        region_name=ask["region"],
        endpoint_url=ask["url"],
        aws_access_key_id=ask["key"],
        aws_secret_access_key=ask["secret"],
        aws_session_token=ask["token"],
        config=CONFIG,
    )
    try:
        answer = getattr(client, ask["method"])(**ask["arguments"])
    except ClientError as error:
        meta = error.response["ResponseMetadata"]
        return {"status": meta["HTTPStatusCode"], "code": error.response["Error"]["Code"],
                "message": error.response["Error"]["Message"], "date": meta["HTTPHeaders"].get("date")}
    except (BotoCoreError, ResponseParserError) as error:
        return {"failure": type(error).__name__}
    meta = answer.pop("ResponseMetadata")
    answer.update(status=200, request_id=meta["RequestId"], date=meta["HTTPHeaders"].get("date"))
    return answer


def raw(ask):
    """Signs with botocore, changes the signed request as told, and sends that."""
    headers = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
    body = urllib.parse.urlencode(ask["parameters"])
    request = AWSRequest("POST", ask["url"] + "/", data=body, headers=headers)
    credentials = Credentials(ask["key"], ask["secret"], ask["token"])
    signer = botocore.auth.SigV4Auth(credentials, ask["service"], ask["region"])
    now = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=ask["shift_s"])
    botocore.auth.get_current_datetime = lambda *_, **__: now.replace(tzinfo=None)
    signer.add_auth(request)
    headers = dict(request.headers.items())
    for name, (old, new) in ask["change"].items():
        if name == "body":
            body = body.replace(old, new)
        elif old is None:
            headers[name] = new
        elif new is None:
            del headers[name]
        else:
            assert old in headers[name], (name, old, headers[name])
            headers[name] = headers[name].replace(old, new)
    connection = http.client.HTTPConnection(urllib.parse.urlsplit(ask["url"]).netloc, timeout=120)
    connection.request("POST", "/", body=body, headers=headers)
    try:
        response = connection.getresponse()
        return {"status": response.status, "body": response.read().decode()}
    except (OSError, http.client.HTTPException) as error:
        return {"failure": type(error).__name__}


for line in sys.stdin:
    ask = json.loads(line)
    answer = api(ask) if "method" in ask else raw(ask)
    print(json.dumps(answer, default=lambda value: value.isoformat()), flush=True)
