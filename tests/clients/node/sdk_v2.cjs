// The AWS SDK for JavaScript, version 2, as its documentation has it: the default chain finds credentials and region.
//
// Makes one client and says `ready`; then one signed call for each line of the input, and a line for its outcome.

process.env.AWS_SDK_JS_SUPPRESS_MAINTENANCE_MODE_MESSAGE = "1";

const readline = require("node:readline");
const AWS = require("aws-sdk");

async function main() {
  // This version knows no variable for an endpoint; without a local stand-in it is `new AWS.STS()`.
  const sts = new AWS.STS({ endpoint: process.env.AWS_ENDPOINT_URL_STS });
  console.log("ready");
  for await (const _ of readline.createInterface({ input: process.stdin })) {
    try {
      const { Arn } = await sts.getCallerIdentity().promise();
      console.log(`${Arn} in ${sts.config.region}`);
    } catch (error) {
      console.log(`${error.code}: ${error.message}`);
    }
  }
}

main();
