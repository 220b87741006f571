"""An AWS that lives in one process: moto's server, with what the tests and the demonstration need in it.

Prints one line of JSON once it answers and checks signatures ("endpoint", "region", "account", "user", "access_key",
"secret_key", "role_arn", "second_role_arn"); then runs until its standard input is closed, so that it cannot outlive
whoever started it.

    user  --may assume-->  role  --may assume-->  second role      (the user may not assume the second role itself)
"""

import json
import logging
import os
import sys
import urllib.request

REGION = "us-east-1"

# Nothing of the machine's own AWS settings is read, and no metadata service is asked.
for name in [name for name in os.environ if name.startswith("AWS_")]:
    del os.environ[name]
os.environ.update(
    AWS_CONFIG_FILE=os.devnull,
    AWS_SHARED_CREDENTIALS_FILE=os.devnull,
    AWS_EC2_METADATA_DISABLED="true",
    AWS_DEFAULT_REGION=REGION,
    NO_PROXY="127.0.0.1,localhost",
    no_proxy="127.0.0.1,localhost",
)

import boto3  # noqa: E402 (after the environment is clean)
from moto.server import ThreadedMotoServer  # noqa: E402


def document(*statements):
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(action, resource="*"):
    return {"Effect": "Allow", "Action": action, "Resource": resource}


def trust(principal_arn):
    return {
        "Effect": "Allow",
        "Principal": {"AWS": principal_arn},
        "Action": ["sts:AssumeRole", "sts:SetSourceIdentity", "sts:TagSession"],
    }


def populate(endpoint):
    """Makes the user, its key and the two roles. Signatures are not checked yet, so any key will do."""
    session = boto3.Session(aws_access_key_id="bootstrap", aws_secret_access_key="bootstrap", region_name=REGION)
    iam = session.client("iam", endpoint_url=endpoint)
    user = iam.create_user(UserName="demo-user")["User"]
    key = iam.create_access_key(UserName="demo-user")["AccessKey"]
    # moto compares a trusted principal with the caller's session ARN, which names the session, where AWS compares with
    # the role's ARN. So the second role trusts everyone, and what keeps the user out of it is the user's own policy.
    roles = {}
    for name, trusted in (("demo-role", user["Arn"]), ("demo-second-role", "*")):
        role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=document(trust(trusted)))["Role"]
        permissions = document(allow(["sts:*", "ssm:*", "dynamodb:*", "s3:*"]))
        iam.put_role_policy(RoleName=name, PolicyName="permissions", PolicyDocument=permissions)
        roles[name] = role["Arn"]
    permissions = document(
        allow(["sts:GetCallerIdentity", "sts:GetSessionToken", "ssm:GetParameter"]),
        allow("sts:AssumeRole", roles["demo-role"]),
    )
    iam.put_user_policy(UserName="demo-user", PolicyName="permissions", PolicyDocument=permissions)
    return {
        "endpoint": endpoint,
        "region": REGION,
        "account": user["Arn"].split(":")[4],
        "user": user["UserName"],
        "access_key": key["AccessKeyId"],
        "secret_key": key["SecretAccessKey"],
        "role_arn": roles["demo-role"],
        "second_role_arn": roles["demo-second-role"],
    }


def check_signatures(endpoint):
    """From the next request on, moto verifies every signature and every permission."""
    request = urllib.request.Request(
        endpoint + "/moto-api/reset-auth", data=b"0", headers={"Content-Type": "text/plain"}, method="POST"
    )
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=120) as answer:
        answer.read()


def main():
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    ready = populate(endpoint)
    check_signatures(endpoint)
    print(json.dumps(ready), flush=True)
    sys.stdin.buffer.read()
    # Connections that a client keeps alive would hold an orderly stop up.
    os._exit(0)


if __name__ == "__main__":
    main()
