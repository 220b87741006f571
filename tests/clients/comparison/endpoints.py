"""Prints where the installed botocore sends an STS call, for every region that its data lists and every setting.

One line each: region, settings, host, signing region; or region, settings, `error`, botocore's sentence. Nothing is
sent: the call is answered before it leaves.
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
OVERRIDE = "https://sts.override.test"


def main():
    for name in list(os.environ):
        if name.startswith(("AWS_", "BOTO")):
            del os.environ[name]
    os.environ.update(AWS_CONFIG_FILE="/dev/null", AWS_SHARED_CREDENTIALS_FILE="/dev/null")
    logging.disable(logging.CRITICAL)
    session = botocore.session.get_session()
    session.set_credentials("AKIAEXAMPLE", "secret")
    for region in regions(session) + UNLISTED:
        for fips, dual in itertools.product([False, True], repeat=2):
            for place in ["regional", "legacy", "override"]:
                settings = [name for name, on in [("fips", fips), ("dual", dual)] if on] + [place]
                print(region, "+".join(settings), *ask(session, region, fips, dual, place), sep="\t")


def regions(session):
    loader = session.get_component("data_loader")
    found = {region for partition in loader.load_data("partitions")["partitions"] for region in partition["regions"]}
    for partition in loader.load_data("endpoints")["partitions"]:
        found |= set(partition["regions"]) | set(partition["services"].get("sts", {}).get("endpoints", {}))
    return sorted(found)


def ask(session, region, fips, dual, place):
    session.set_config_variable("sts_regional_endpoints", "legacy" if place == "legacy" else "regional")
    sent = []

    def answer(request, **_):
        sent.append(request)
        response = botocore.awsrequest.AWSResponse(request.url, 200, {}, None)
        response._content = b"<GetCallerIdentityResponse><GetCallerIdentityResult/></GetCallerIdentityResponse>"
        return response

    try:
        config = botocore.config.Config(use_fips_endpoint=fips, use_dualstack_endpoint=dual)
        url = OVERRIDE if place == "override" else None
        client = session.create_client("sts", region_name=region, endpoint_url=url, config=config)
        client.meta.events.register("before-send", answer)
        client.get_caller_identity()
    except Exception as error:
        return "error", json.dumps(str(error))
    authorization = sent[0].headers["Authorization"].decode()
    return botocore.compat.urlsplit(sent[0].url).netloc, authorization.split("/")[2]


if __name__ == "__main__":
    main()
