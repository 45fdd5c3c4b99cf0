// The AWS SDK for JavaScript, version 3.
import { createInterface } from "node:readline";
import { GetCallerIdentityCommand, STSClient } from "@aws-sdk/client-sts";

const client = new STSClient({ endpoint: process.env.PROBE_ENDPOINT, maxAttempts: 1 });
for await (const _ of createInterface({ input: process.stdin })) {
  try {
    await client.send(new GetCallerIdentityCommand({}));
    console.log("ok");
  } catch (error) {
    console.log("error", error.name, String(error.message).replace(/\s+/g, " "));
  }
}
