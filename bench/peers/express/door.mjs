// Takes events by HTTP and publishes them: Express, KafkaJS, Redis for the limits per user and the known ids.
import { randomUUID } from "node:crypto";
import express from "express";
import { Kafka, logLevel } from "kafkajs";
import { createClient } from "redis";

const LIMIT = 100; // events a second and user
const WINDOW_MS = 1000;
const TTL_S = 86400;

const redis = await createClient({ url: process.env.REDIS_URL }).connect();
const kafka = new Kafka({ brokers: process.env.KAFKA_BOOTSTRAP_SERVERS.split(","), logLevel: logLevel.WARN });
const producer = kafka.producer();
await producer.connect();

const isText = (value, most) => typeof value === "string" && value.trim() !== "" && value.length <= most;

function envelope({ eventId, userId, type, payload, timestamp }) {
  if (!isText(userId, 255)) return { error: "userId: a string of 1 to 255 characters" };
  if (!isText(type, 100)) return { error: "type: a string of 1 to 100 characters" };
  if (typeof (payload ?? {}) !== "object") return { error: "payload: an object" };
  return { id: eventId ?? randomUUID(), userId, type, payload: payload ?? {}, timestamp: timestamp ?? Date.now() };
}

// For each event: how many its user has sent within the window, this one too, and whether its id is new.
async function look(events) {
  const now = Date.now();
  const calls = events.map(({ id, userId }) => {
    const window = `rate:${userId}`;
    return redis
      .multi()
      .zRemRangeByScore(window, "-inf", now - WINDOW_MS)
      .zAdd(window, { score: now, value: id })
      .zCard(window)
      .pExpire(window, WINDOW_MS)
      .set(`accepted:${id}`, "1", { NX: true, EX: TTL_S })
      .execAsPipeline();
  });
  return (await Promise.all(calls)).map(([, , count, , isNew]) => ({ count, isNew: isNew !== null }));
}

async function accept(bodies) {
  const events = bodies.map(envelope);
  const found = await look(events.filter(({ error }) => !error));
  const results = events.map((event) => {
    if (event.error) return { status: "invalid", error: event.error };
    const { count, isNew } = found.shift();
    if (!isNew) return { eventId: event.id, status: "duplicate" };
    return { eventId: event.id, status: count > LIMIT ? "rate_limited" : "accepted" };
  });
  const messages = events
    .filter((_, index) => results[index].status === "accepted")
    .map((event) => ({ key: event.userId, value: JSON.stringify(event) }));
  await producer.send({ topic: process.env.KAFKA_EVENTS_TOPIC, acks: -1, messages });
  return results;
}

const app = express();
app.use(express.json({ limit: "10mb" }));
app.get("/health/ready", (request, response) => response.json({ status: "ok" }));
app.post("/events/batch", async (request, response) => {
  response.status(202).json({ results: await accept(request.body.events) });
});
app.post("/events", async (request, response) => {
  const [result] = await accept([request.body]);
  const status = { accepted: 202, duplicate: 200, rate_limited: 429, invalid: 400 }[result.status];
  response.status(status).json(result);
});
const server = app.listen(Number(process.env.WEB_PORT), "127.0.0.1");

process.on("SIGTERM", () => {
  server.close();
  server.closeAllConnections();
  producer.disconnect().then(() => process.exit(0));
});
