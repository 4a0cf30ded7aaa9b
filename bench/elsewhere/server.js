// The measured routes on express and fastify: `node server.js NAME`; prints its port.

import { randomBytes } from "node:crypto";

const [name] = process.argv.slice(2);
const routes = {
  untouched: () => "ok",
  begin: (session) => {
    session.n = 1;
    session.theme = "dark";
    return "ok";
  },
  read: (session) => String(session.n),
  write: (session) => {
    session.n += 1;
    return "ok";
  },
};

async function express() {
  const { default: express } = await import("express");
  const app = express();
  if (name === "express-session") {
    const { default: session } = await import("express-session");
    const secret = randomBytes(32).toString("hex");
    app.use(session({ secret, resave: false, saveUninitialized: false }));
  }
  for (const [path, answer] of Object.entries(routes)) {
    app.get(`/${path}`, (request, response) => {
      const session = request.session;
      response.type("text/plain").send(session ? answer(session) : "ok");
    });
  }
  const server = app.listen(0, "127.0.0.1", () => console.log(server.address().port));
}

async function fastify() {
  const { default: fastify } = await import("fastify");
  const app = fastify();
  if (name === "fastify-secure-session") {
    const { default: session } = await import("@fastify/secure-session");
    await app.register(session, { key: randomBytes(32) });
  }
  for (const [path, answer] of Object.entries(routes)) {
    app.get(`/${path}`, async (request, reply) => {
      reply.type("text/plain");
      const session = request.session;
      if (!session) return "ok";
      // Values are read and set by methods, not as properties.
      if (path === "begin") {
        session.set("n", 1);
        session.set("theme", "dark");
        return "ok";
      }
      if (path === "read") return String(session.get("n"));
      if (path === "write") {
        session.set("n", session.get("n") + 1);
        return "ok";
      }
      return answer(session);
    });
  }
  await app.listen({ port: 0, host: "127.0.0.1" });
  console.log(app.server.address().port);
}

await (name.startsWith("express") ? express() : fastify());
