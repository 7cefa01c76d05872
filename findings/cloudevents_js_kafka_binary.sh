#!/usr/bin/env bash
# cloudevents 10.0.0 (JavaScript): no message of its Kafka binding in binary mode can be sent by KafkaJS 2.2.4.
#
# `Kafka.binary(event)` has a header for each optional attribute, also for those that are not set: its value is undefined,
# and KafkaJS ends in a TypeError. The value is the event's data as it is, an object, which KafkaJS does not take either.
# And there is a header `ce_datacontenttype`, beside `content-type`, which alone the Kafka protocol binding has for it.
# What helps: drop the undefined headers, and JSON.stringify the value. `Kafka.structured` is fine.
#
# Exit status 0: it is still so. Not part of CI: it installs from the package index. Needs Node.js and npm.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"type": "module"}' > package.json
npm install --silent --no-audit --no-fund cloudevents@10.0.0 kafkajs@2.2.4

cat > show.mjs <<'JS'
import { createRequire } from 'node:module'
import { CloudEvent, Kafka } from 'cloudevents'

const encode = createRequire(import.meta.url)('kafkajs/src/protocol/recordBatch/record/v0') // as producer.send() does
const event = new CloudEvent({ id: '1', source: '/s', type: 't', datacontenttype: 'application/json', data: { a: 1 } })
const attempt = (message) => { try { encode(message); return 'taken' } catch (error) { return `${error.name}: ${error.message}` } }

const { key, value, headers } = Kafka.binary(event)
const unset = Object.keys(headers).filter((name) => headers[name] === undefined)
const set = Object.fromEntries(Object.entries(headers).filter(([, header]) => header !== undefined))
console.log('undefined headers:', unset.join(' '))
console.log('ce_datacontenttype:', headers.ce_datacontenttype)
console.log('as it is:', attempt({ key, value: JSON.stringify(value), headers }))
console.log('value as it is:', attempt({ key, value, headers: set }))
console.log('mended:', attempt({ key, value: JSON.stringify(value), headers: set }))
const structured = Kafka.structured(event)
console.log('structured:', attempt(structured))
JS
said=$(node show.mjs)
printf '%s\n' "$said"
grep -q '^undefined headers: .*ce_subject.*ce_dataschema' <<< "$said" || { echo "changed: attributes that are not set have no headers"; exit 1; }
grep -q '^as it is: TypeError' <<< "$said" || { echo "changed: KafkaJS takes the message as it is"; exit 1; }
grep -q '^value as it is: TypeError' <<< "$said" || { echo "changed: KafkaJS takes the value as it is"; exit 1; }
grep -q '^ce_datacontenttype: application/json' <<< "$said" || { echo "changed: there is no header ce_datacontenttype"; exit 1; }
grep -q '^mended: taken' <<< "$said" && grep -q '^structured: taken' <<< "$said" || { echo "changed: it is something else"; exit 1; }
