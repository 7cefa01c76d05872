#!/usr/bin/env bash
# @asyncapi/parser 3.6.6: a message's example that its schema does not describe is an error in AsyncAPI 2.6, and passes
# without a word in AsyncAPI 3.0.
#
# Both versions of the format demand that an example validates against the message's payload and headers. The parser's
# rule for it, asyncapi2-message-examples, has no counterpart among those for version 3. Who moves a document to 3
# keeps a green check that looks at one thing less: examples need a check of one's own.
#
# Seen on Node 20, the same message in both: 2.6.0 says asyncapi2-message-examples, 3.0.0 has no error.
# Exit status 0: it is still so. Not part of CI: it installs from the package index.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

npm install --silent --no-fund --no-audit @asyncapi/parser@3.6.6
cat > check.cjs <<'JS'
const { Parser } = require("@asyncapi/parser")
const info = { title: "Orders", version: "1" }
const message = {
  payload: { type: "object", properties: { total: { type: "integer" } }, required: ["total"] },
  examples: [{ payload: { total: "nineteen" } }],
}
const documents = {
  "2.6.0": { asyncapi: "2.6.0", info, channels: { orders: { publish: { message } } } },
  "3.0.0": { asyncapi: "3.0.0", info, channels: { orders: { address: "orders", messages: { order: message } } } },
}
const errors = async document =>
  (await new Parser().validate(JSON.stringify(document))).filter(({ severity }) => severity === 0).map(({ code }) => code)
const main = async () => {
  const found = {}
  for (const [version, document] of Object.entries(documents)) found[version] = await errors(document)
  for (const [version, codes] of Object.entries(found)) console.log(`${version}: ${codes.join(" ") || "no error"}`)
  // what else is wrong is found in version 3 too
  documents["3.0.0"].channels.orders.messages.order.payload.type = "nonsense"
  if (!(await errors(documents["3.0.0"])).length) throw new Error("changed: version 3 is not checked at all")
  if (found["2.6.0"].join() !== "asyncapi2-message-examples") throw new Error("changed: version 2")
  if (found["3.0.0"].length) throw new Error("changed: version 3 has its examples checked")
}
main().catch(error => { console.log(error.message); process.exit(1) })
JS
node check.cjs
