// The same work on fastify, BullMQ and undici, as a shop's developer would write it:
//   node peer.mjs web PORT REDIS          takes webhooks in
//   node peer.mjs worker PORT REDIS SINK  sends
// The job is the order as it came, the worker makes the message of it: what the documentation of both shows.
// A completed job stays for a while: that is its record of the outcome, and what knows a repeat.
import { createHmac, timingSafeEqual } from "node:crypto";
import { createServer } from "node:net";
import { Queue, Worker } from "bullmq";
import Fastify from "fastify";
import { Redis } from "ioredis";
import { Pool } from "undici";

const SECRET = "bench-secret-of-every-shop-here";
const KEPT = { age: 8 * 86_400 };
const IN_FLIGHT = 64;

const [role, port, redis, sink] = process.argv.slice(2);
const connection = new Redis(redis, { maxRetriesPerRequest: null });

function genuine(body, given) {
  const own = createHmac("sha256", SECRET).update(body).digest();
  const sent = Buffer.from(given ?? "", "base64");
  return sent.length === own.length && timingSafeEqual(own, sent);
}

function owed(order) {
  const to = order.note_attributes.find((a) => a.name === "line_user_id")?.value;
  const text = `We received your order ${order.name}: ${order.total_price} ${order.currency}. ${order.order_status_url}`;
  return { to, messages: [{ type: "text", text }] };
}

async function web() {
  const queue = new Queue("owed", { connection });
  const app = Fastify({ bodyLimit: 1024 * 1024 });
  app.addContentTypeParser("application/json", { parseAs: "buffer" }, (_request, body, done) => done(null, body));
  app.post("/hooks/:platform/:shop", async (request, reply) => {
    if (!genuine(request.body, request.headers["x-shopify-hmac-sha256"])) {
      return reply.code(401).send();
    }
    const order = JSON.parse(request.body);
    await queue.add("order", order, {
      jobId: request.headers["x-shopify-webhook-id"],
      attempts: 5,
      backoff: { type: "exponential", delay: 1000 },
      removeOnComplete: KEPT,
    });
    return reply.code(200).send();
  });
  await app.listen({ host: "127.0.0.1", port: Number(port) });
}

function worker() {
  const pool = new Pool(sink, { connections: IN_FLIGHT });
  const send = async (job) => {
    const answer = await pool.request({
      path: "/v2/bot/message/push",
      method: "POST",
      headers: { "content-type": "application/json", authorization: "Bearer token" },
      body: JSON.stringify(owed(job.data)),
    });
    await answer.body.dump();
    if (answer.statusCode !== 200) {
      throw new Error(`answered ${answer.statusCode}`);
    }
  };
  new Worker("owed", send, { connection, concurrency: IN_FLIGHT, removeOnComplete: KEPT });
  // Only so that whoever started it sees that it is up.
  createServer((socket) => socket.destroy()).listen(Number(port), "127.0.0.1");
}

await (role === "web" ? web() : worker());
