"""An HTTP server that lets a request through when botocore, given the same request, computes the same signature.

Service and region are the arguments; the credentials come from the usual AWS variables.
"""

import hmac
import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

SERVICE, REGION = sys.argv[1:]
CREDENTIALS = Credentials(
    os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"], os.environ.get("AWS_SESSION_TOKEN")
)


class Gate(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def judge(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        problem = self.problem(body)
        answer = (problem or "let through").encode()
        self.send_response(403 if problem else 200)
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer)

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = judge

    def problem(self, body):
        authorization = self.headers["authorization"]
        algorithm, _, rest = authorization.partition(" ")
        parts = dict(part.strip().split("=", 1) for part in rest.split(","))
        date = self.headers["x-amz-date"]
        scope = f"{CREDENTIALS.access_key}/{date[:8]}/{REGION}/{SERVICE}/aws4_request"
        if algorithm != "AWS4-HMAC-SHA256" or parts["Credential"] != scope:
            return f"signed for {parts['Credential']}, not for {scope}"
        if self.headers.get("x-amz-security-token") != CREDENTIALS.token:
            return "another session token"
        signed = parts["SignedHeaders"].split(";")
        for name in self.headers:
            if name.lower().startswith("x-amz-") and name.lower() not in signed:
                return f"{name} is not signed"
        request = AWSRequest(
            self.command,
            f"http://{self.headers['host']}{self.path}",
            headers={name: self.headers[name] for name in signed},
            data=body,
        )
        request.context["timestamp"] = date
        signer = (S3SigV4Auth if SERVICE == "s3" else SigV4Auth)(CREDENTIALS, SERVICE, REGION)
        # It trusts a hash that is given, so that one is compared beforehand.
        given = self.headers.get("x-amz-content-sha256")
        del request.headers["X-Amz-Content-SHA256"]
        computed = signer.payload(request)
        if given is not None:
            if given not in (computed, "UNSIGNED-PAYLOAD"):
                return f"the payload's hash is {computed}"
            request.headers["X-Amz-Content-SHA256"] = given
        canonical = signer.canonical_request(request)
        text = signer.string_to_sign(request, canonical)
        if not hmac.compare_digest(signer.signature(text, request), parts["Signature"]):
            return f"botocore would have signed\n{canonical}"
        return None

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Gate)
print("listening:", server.server_port, flush=True)
server.serve_forever()
