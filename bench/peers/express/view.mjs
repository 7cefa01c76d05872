// Writes what became of a topic's events to Redis: KafkaJS' eachBatch. There is no database.
import { Kafka, logLevel } from "kafkajs";
import { createClient } from "redis";

const TTL_S = 86400;

const redis = await createClient({ url: process.env.REDIS_URL }).connect();
const kafka = new Kafka({ brokers: process.env.KAFKA_BOOTSTRAP_SERVERS.split(","), logLevel: logLevel.WARN });
const consumer = kafka.consumer({ groupId: process.env.KAFKA_CONSUMER_GROUP });

async function note(event) {
  if ((await redis.set(`dedup:${event.id}`, "1", { NX: true, EX: TTL_S })) === null) return; // known
  const { userId, type } = event;
  const outcome = { status: "processed", processedAt: Date.now(), attempts: 1, userId, type };
  await Promise.all([redis.hSet(`event:${event.id}`, outcome), redis.expire(`event:${event.id}`, TTL_S)]);
}

process.on("SIGTERM", async () => {
  await consumer.disconnect();
  process.exit(0);
});
await consumer.connect();
await consumer.subscribe({ topic: process.env.KAFKA_EVENTS_TOPIC, fromBeginning: true });
await consumer.run({
  partitionsConsumedConcurrently: 4,
  eachBatch: async ({ batch }) => {
    await Promise.all(batch.messages.map((message) => note(JSON.parse(message.value)))); // one pipeline
  },
});
