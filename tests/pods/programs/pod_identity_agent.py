"""EKS's Pod Identity agent as a pod sees it: credentials of the association's role for a token that is meant for it.

https://docs.aws.amazon.com/eks/latest/userguide/pod-id-how-it-works.html
"""

import base64
import json
import os
from http.server import BaseHTTPRequestHandler, HTTPServer

import boto3

AUDIENCE = "pods.eks.amazonaws.com"


class Agent(BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path != "/v1/credentials" or audience(self.headers.get("Authorization", "")) != [AUDIENCE]:
            self.send_error(400)
            return
        answer = boto3.client("sts").assume_role(RoleArn=os.environ["ASSOCIATED_ROLE"], RoleSessionName="eks-agent")["Credentials"]
        document = {
            "AccessKeyId": answer["AccessKeyId"], "SecretAccessKey": answer["SecretAccessKey"],
            "Token": answer["SessionToken"], "AccountId": "111111111111",
            "Expiration": answer["Expiration"].strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(document).encode())


def audience(token):
    """That of a JWT; its signature is not looked at."""
    parts = token.split(".")
    return json.loads(base64.urlsafe_b64decode(parts[1] + "==")).get("aud") if len(parts) == 3 else None


if __name__ == "__main__":
    server = HTTPServer(("0.0.0.0", 80), Agent)
    print("listening", flush=True)
    server.serve_forever()
