// Produces the same thousand keys by each partitioner of KafkaJS: the value says which.
import process from 'node:process'
import { Kafka, logLevel, Partitioners } from 'kafkajs'

const kafka = new Kafka({ brokers: [process.env.KAFKA], logLevel: logLevel.ERROR })
const keys = Array.from({ length: 1000 }, (_, number) => `u-${number}`)
const partitioners = {
  'kafkajs, default': undefined,
  'kafkajs, LegacyPartitioner': Partitioners.LegacyPartitioner,
}
for (const [value, createPartitioner] of Object.entries(partitioners)) {
  const producer = kafka.producer({ createPartitioner })
  await producer.connect()
  await producer.send({ topic: process.env.TOPIC, messages: keys.map((key) => ({ key, value })) })
  await producer.disconnect()
}
