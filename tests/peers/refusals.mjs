// What Node's HTTP clients see of refusals: node refusals.mjs https|fetch|http2 CA PLAN.
// PLAN and what is printed are those of refusals.py.

import fs from "node:fs";
import http2 from "node:http2";
import https from "node:https";

const [name, caFile, plan] = process.argv.slice(2);
const ca = fs.readFileSync(caFile);

// Writes the body to a stream, with the pause between its halves.
function write(stream, test, body) {
  if (test.pause === 0) return stream.end(body);
  const middle = body.length >> 1;
  stream.write(body.subarray(0, middle));
  return setTimeout(() => stream.end(body.subarray(middle)), test.pause);
}

async function* halves(test, body) {
  const middle = body.length >> 1;
  yield body.subarray(0, middle);
  await new Promise((resolve) => setTimeout(resolve, test.pause));
  yield body.subarray(middle);
}

const clients = {
  https: (test, body) =>
    new Promise((resolve, reject) => {
      const options = { method: test.method, headers: { ...test.headers, "content-length": body.length }, ca };
      const request = https.request(test.url, { ...options, agent: false }, (response) => {
        response.resume();
        response.on("end", () => resolve(response.statusCode));
        response.on("error", reject);
      });
      request.on("error", reject);
      write(request, test, body);
    }),
  // It trusts NODE_EXTRA_CA_CERTS.
  fetch: async (test, body) => {
    const streamed = test.pause > 0 ? { body: halves(test, body), duplex: "half" } : { body };
    const response = await fetch(test.url, { method: test.method, headers: test.headers, ...streamed });
    await response.arrayBuffer();
    return response.status;
  },
  http2: (test, body) =>
    new Promise((resolve, reject) => {
      const url = new URL(test.url);
      const session = http2.connect(url.origin, { ca });
      session.on("error", reject);
      const stream = session.request({ ":method": test.method, ":path": url.pathname, ...test.headers });
      let status;
      stream.on("response", (headers) => (status = headers[":status"]));
      stream.on("error", reject);
      stream.on("end", () => {
        session.close();
        resolve(status);
      });
      stream.resume();
      write(stream, test, body);
    }),
};

const failures = [];
for (const test of JSON.parse(fs.readFileSync(plan))) {
  const body = Buffer.alloc(test.size, " ");
  body.write(test.text);
  for (let attempt = 0; attempt < test.times; attempt += 1) {
    const seen = await clients[name](test, body).catch((error) => String(error.cause ?? error));
    if (seen !== test.status) failures.push({ case: test, attempt, seen });
  }
}
console.log(JSON.stringify(failures));
