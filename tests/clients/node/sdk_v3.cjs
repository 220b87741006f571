// The AWS SDK for JavaScript, version 3, as its documentation has it: the default chain finds credentials and region.
//
// Makes one client and says `ready`; then one signed call for each line of the input, and a line for its outcome.

const readline = require("node:readline");
const { STSClient, GetCallerIdentityCommand } = require("@aws-sdk/client-sts");

async function main() {
  const sts = new STSClient({});
  console.log("ready");
  for await (const _ of readline.createInterface({ input: process.stdin })) {
    try {
      const { Arn } = await sts.send(new GetCallerIdentityCommand({}));
      console.log(`${Arn} in ${await sts.config.region()}`);
    } catch (error) {
      console.log(`${error.name}: ${error.message}`);
    }
  }
}

main();
