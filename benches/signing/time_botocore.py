"""How long botocore takes for a signature, in nanoseconds: the median of many, making the request not included.

The only argument says what to sign, as JSON.
"""

import json
import statistics
import sys
import time

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials


def main():
    plan = json.loads(sys.argv[1])
    credentials = Credentials(plan["access_key_id"], plan["secret"], plan["token"])
    signer = SigV4Auth(credentials, plan["service"], plan["region"])
    body = b"x" * plan["body"]
    samples = []
    for _ in range(plan["times"]):
        request = AWSRequest("POST", plan["url"], headers=dict(plan["headers"]), data=body)
        start = time.perf_counter_ns()
        signer.add_auth(request)
        samples.append(time.perf_counter_ns() - start)
    print(int(statistics.median(samples)))


main()
