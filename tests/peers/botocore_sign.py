"""Signs and sends requests with botocore, one line of JSON per answer.

Credentials come from the usual AWS variables; the plan, a JSON list of steps, is the only argument.
A step either signs one HTTP request ("request", "presign") or calls an operation of a whole client ("call").
"""

import json
import sys

from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth, SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.httpsession import URLLib3Session
from botocore.session import Session


def main():
    session = Session()
    steps = {"request": request, "presign": presign, "call": call}
    for step in json.loads(sys.argv[1]):
        outcome = steps[step["do"]](session, step)
        print("answer:", json.dumps(outcome), flush=True)


def request(session, step):
    unsigned = AWSRequest(
        "POST",
        step["url"],
        headers={"Content-Type": "application/json", "X-Amz-Meta-Note": "  spaced   out "},
        data=step["body"].encode(),
    )
    signer = S3SigV4Auth if step["service"] == "s3" else SigV4Auth
    signer(credentials(session), step["service"], step["region"]).add_auth(unsigned)
    return send(unsigned, step.get("flip"))


def presign(session, step):
    unsigned = AWSRequest("GET", step["url"])
    signer = S3SigV4QueryAuth if step["service"] == "s3" else SigV4QueryAuth
    signer(credentials(session), step["service"], step["region"], expires=900).add_auth(unsigned)
    return send(unsigned, None)


def send(signed, flip):
    prepared = signed.prepare()
    if flip is not None:
        body = bytearray(prepared.body)
        body[flip] ^= 1
        prepared.body = bytes(body)
    answer = URLLib3Session().send(prepared)
    return {"status": answer.status_code, "body": answer.text}


def call(session, step):
    config = Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"})
    client = session.create_client(
        step["service"], region_name=step["region"], endpoint_url=step["url"], config=config
    )
    try:
        answer = getattr(client, step["operation"])(**step.get("parameters", {}))
        return {"status": answer["ResponseMetadata"]["HTTPStatusCode"]}
    except ClientError as error:
        metadata = error.response["ResponseMetadata"]
        return {
            "status": metadata["HTTPStatusCode"],
            "code": error.response["Error"]["Code"],
            "message": error.response["Error"]["Message"],
            "request_id": metadata.get("RequestId"),
        }


def credentials(session):
    return session.get_credentials().get_frozen_credentials()


main()
