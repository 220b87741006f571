"""Prints where the installed botocore sends calls, for every region that its data lists and every setting.

One line each: service, region, settings, host, signing region; or service, region, settings, `error`, botocore's sentence.
Nothing is sent: the call is answered before it leaves.
"""

import itertools
import json
import logging
import os

import botocore.awsrequest
import botocore.config
import botocore.session

# Regions that no data lists: a new one of a known partition, one of none, and names that are no region's.
UNLISTED = ["eu-west-9", "cn-east-1", "us-gov-north-7", "xx-nowhere-1", "local"]
OVERRIDE = "https://override.test"
XML = b"<GetCallerIdentityResponse><GetCallerIdentityResult/></GetCallerIdentityResponse>"
# Of each service: a call, what it is answered, and where its endpoints come from.
SERVICES = {
    "sts": ("get_caller_identity", {}, XML, ["regional", "legacy", "override"]),
    "dynamodb": ("list_tables", {}, b"{}", ["regional"]),
    "ssm": ("get_parameter", {"Name": "x"}, b"{}", ["regional"]),
}


def main():
    for name in list(os.environ):
        if name.startswith(("AWS_", "BOTO")):
            del os.environ[name]
    os.environ.update(AWS_CONFIG_FILE="/dev/null", AWS_SHARED_CREDENTIALS_FILE="/dev/null")
    logging.disable(logging.CRITICAL)
    session = botocore.session.get_session()
    session.set_credentials("AKIAEXAMPLE", "secret")
    for service, (_, _, _, places) in SERVICES.items():
        for region in regions(session, service) + UNLISTED:
            for fips, dual in itertools.product([False, True], repeat=2):
                for place in places:
                    settings = [name for name, on in [("fips", fips), ("dual", dual)] if on] + [place]
                    found = ask(session, service, region, fips, dual, place)
                    print(service, region, "+".join(settings), *found, sep="\t")


def regions(session, service):
    loader = session.get_component("data_loader")
    found = {region for partition in loader.load_data("partitions")["partitions"] for region in partition["regions"]}
    for partition in loader.load_data("endpoints")["partitions"]:
        found |= set(partition["regions"]) | set(partition["services"].get(service, {}).get("endpoints", {}))
    return sorted(found)


def ask(session, service, region, fips, dual, place):
    session.set_config_variable("sts_regional_endpoints", "legacy" if place == "legacy" else "regional")
    sent = []
    operation, arguments, body, _ = SERVICES[service]

    def answer(request, **_):
        sent.append(request)
        response = botocore.awsrequest.AWSResponse(request.url, 200, {}, None)
        response._content = body
        return response

    try:
        config = botocore.config.Config(use_fips_endpoint=fips, use_dualstack_endpoint=dual)
        url = OVERRIDE if place == "override" else None
        client = session.create_client(service, region_name=region, endpoint_url=url, config=config)
        client.meta.events.register("before-send", answer)
        getattr(client, operation)(**arguments)
    except Exception as error:
        return "error", json.dumps(str(error))
    authorization = sent[0].headers["Authorization"].decode()
    return botocore.compat.urlsplit(sent[0].url).netloc, authorization.split("/")[2]


if __name__ == "__main__":
    main()
