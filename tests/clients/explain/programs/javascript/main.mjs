// Prints the access key ID that the default provider of the AWS SDK for JavaScript returns.
import { defaultProvider } from "@aws-sdk/credential-provider-node";

try {
  console.log((await defaultProvider({ logger: undefined })()).accessKeyId);
} catch (error) {
  console.error(String(error));
}
