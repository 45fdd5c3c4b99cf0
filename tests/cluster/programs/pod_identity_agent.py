"""The EKS Pod Identity agent: returns credentials of the associated role for a token with the agent's audience.

https://docs.aws.amazon.com/eks/latest/userguide/pod-id-how-it-works.html
"""

import base64
import json
import os
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer

import boto3

AUDIENCE = "pods.eks.amazonaws.com"


class Agent(BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path != "/v1/credentials" or audience(self.headers.get("Authorization", "")) != [AUDIENCE]:
            self.send_error(400)
            return
        response = boto3.client("sts").assume_role(RoleArn=os.environ["ASSOCIATED_ROLE"], RoleSessionName="eks-agent")
        credentials = response["Credentials"]
        document = {
            "AccessKeyId": credentials["AccessKeyId"], "SecretAccessKey": credentials["SecretAccessKey"],
            "Token": credentials["SessionToken"], "AccountId": "111111111111",
            "Expiration": credentials["Expiration"].strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(document).encode())


def audience(token):
    """Returns the audience of a JWT without verifying its signature."""
    parts = token.split(".")
    return json.loads(base64.urlsafe_b64decode(parts[1] + "==")).get("aud") if len(parts) == 3 else None


if __name__ == "__main__":
    server = HTTPServer((sys.argv[1], 80), Agent)
    print("listening", flush=True)
    server.serve_forever()
