// Sends the events by fetch and by KafkaJS, as JSON.stringify writes them.
import { createRequire } from 'node:module'
import process from 'node:process'
import { Kafka, logLevel } from 'kafkajs'

const { version } = createRequire(import.meta.url)('kafkajs/package.json')
for (const each of [['fetch', process.version], ['JSON.stringify', process.version], ['kafkajs', version]]) {
  console.log(['version', ...each].join('\t'))
}

const AT = new Date('2025-10-08T15:30:22.456Z')
const EVENTS = {
  plain: { payload: { path: '/start' }, timestamp: AT.getTime() },
  time: { payload: {}, timestamp: AT },
  money: {
    family: 'product', timestamp: AT.getTime(),
    payload: { productId: 'p', productName: 'n', price: 129.99, quantity: 2.0 },
  },
  seq: { payload: { seq: 1.0 }, timestamp: AT.getTime() },
  null: { payload: null, timestamp: AT.getTime() },
  empty: { payload: {}, timestamp: AT.getTime() },
  'left-out': { payload: undefined, timestamp: AT.getTime() },
  text: { payload: { text: 'Grüße, 世界 👋 </a> \u2028 "\\' }, timestamp: AT.getTime() },
}

async function sendAll(client, via, id, send) {
  for (const [label, event] of Object.entries(EVENTS)) {
    const name = [client, 'JSON.stringify', via, label].join('/')
    const text = JSON.stringify({ [id]: name, userId: name, type: 'interop', ...event })
    console.log(['sent', name, text, await send(name, text)].join('\t'))
  }
}

await sendAll('fetch', 'http', 'eventId', async (_, body) => {
  const answer = await fetch(`${process.env.DOOR}/events`, {
    method: 'POST', headers: { 'Content-Type': 'application/json' }, body,
  })
  return `${answer.status} ${await answer.text()}`
})

const producer = new Kafka({ brokers: [process.env.KAFKA], logLevel: logLevel.ERROR }).producer()
await producer.connect()
await sendAll('kafkajs', 'kafka', 'id', async (key, value) => {
  await producer.send({ topic: process.env.TOPIC, messages: [{ key, value }] })
  return ''
})
await producer.disconnect()
