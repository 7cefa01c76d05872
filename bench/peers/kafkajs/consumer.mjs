// Stores a topic's events in Postgres: KafkaJS' eachBatch, and INSERT of many rows with node-postgres.
import { Kafka, logLevel } from "kafkajs";
import pg from "pg";

const ROWS = 1000; // of one INSERT
const PARTITIONS = 4; // at a time

const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL, max: PARTITIONS });
const kafka = new Kafka({ brokers: process.env.KAFKA_BOOTSTRAP_SERVERS.split(","), logLevel: logLevel.WARN });
const consumer = kafka.consumer({ groupId: process.env.KAFKA_CONSUMER_GROUP });

function insert(events) {
  const values = [];
  const rows = events.map(({ id, userId, type, payload, timestamp }) => {
    const n = values.push(id, userId, type, JSON.stringify(payload), timestamp);
    return `($${n - 4}, $${n - 3}, $${n - 2}, $${n - 1}, to_timestamp($${n} / 1000.0))`;
  });
  const columns = "id, user_id, type, payload, occurred_at";
  const text = `INSERT INTO stored (${columns}) VALUES ${rows.join(", ")} ON CONFLICT (id) DO NOTHING`;
  return rows.length === ROWS ? { name: "insert", text, values } : { text, values }; // prepared, if always the same
}

async function store({ batch, resolveOffset, heartbeat }) {
  for (let start = 0; start < batch.messages.length; start += ROWS) {
    const messages = batch.messages.slice(start, start + ROWS);
    await pool.query(insert(messages.map((message) => JSON.parse(message.value))));
    resolveOffset(messages.at(-1).offset);
    await heartbeat();
  }
}

process.on("SIGTERM", async () => {
  await consumer.disconnect();
  await pool.end();
  process.exit(0);
});
await consumer.connect();
await consumer.subscribe({ topic: process.env.KAFKA_EVENTS_TOPIC, fromBeginning: true });
await consumer.run({ partitionsConsumedConcurrently: PARTITIONS, eachBatchAutoResolve: false, eachBatch: store });
