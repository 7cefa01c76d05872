// Sends CloudEvents by the JavaScript SDK, binary and structured, by HTTP (fetch) and by KafkaJS.
import { createRequire } from 'node:module'
import process from 'node:process'
import { CloudEvent, HTTP, Kafka as Binding } from 'cloudevents'
import { Kafka, logLevel } from 'kafkajs'

const require = createRequire(import.meta.url)
console.log(['version', 'cloudevents-js', require('cloudevents/package.json').version].join('\t'))

const DATA = {
  plain: { data: { path: '/start' } },
  'grün 100%': { data: { path: '/start' } },
  text: { data: { text: 'Grüße, 世界 👋 </a> \u2028 "\\' } },
  null: {},
  seq: { data: {}, sequence: '1' },
}

async function sendAll(client, via, form, send) {
  const source = [client, `cloudevents-js-${form}`, via].join('/')
  for (const [id, members] of Object.entries(DATA)) {
    const subject = `${source}/${id}`
    const event = new CloudEvent({
      id, source, subject, type: 'interop', time: '2025-10-08T15:30:22.456Z', partitionkey: subject,
      ...members,
    })
    console.log(['sent', subject, JSON.stringify(event), await send(event)].join('\t'))
  }
}

const producer = new Kafka({ brokers: [process.env.KAFKA], logLevel: logLevel.ERROR }).producer()
await producer.connect()
for (const form of ['binary', 'structured']) {
  await sendAll('fetch', 'http', form, async (event) => {
    const { headers, body } = HTTP[form](event)
    const answer = await fetch(`${process.env.DOOR}/events`, { method: 'POST', headers, body })
    return `${answer.status} ${await answer.text()}`
  })
  await sendAll('kafkajs', 'kafka', form, async (event) => {
    const { key, value, headers } = Binding[form](event)
    // KafkaJS takes neither the data as it is nor the undefined headers of attributes that are not set
    const text = typeof value === 'string' ? value : value === undefined ? null : JSON.stringify(value)
    const set = Object.fromEntries(Object.entries(headers).filter(([, header]) => header !== undefined))
    await producer.send({ topic: process.env.TOPIC, messages: [{ key, value: text, headers: set }] })
    return ''
  })
}
await producer.disconnect()
