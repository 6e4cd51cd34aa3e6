// SPDX-License-Identifier: Apache-2.0
// What node_test.py starts: Node's fetch, many at once, bodies streamed both ways. Prints "ok", or what went wrong.
import assert from 'node:assert/strict';

const base = process.argv[2];

function pattern(size, from = 0) {
  const bytes = Buffer.alloc(size);
  for (let i = 0; i < size; ++i) bytes[i] = 97 + ((from + i * 7 + Math.floor(i / 23) * 5) % 26);
  return bytes;
}

async function body(response) {
  return Buffer.from(await response.arrayBuffer());
}

function streamOf(pieces) {
  let at = 0;
  return new ReadableStream({
    async pull(controller) {
      await new Promise((resolve) => setImmediate(resolve));
      at < pieces.length ? controller.enqueue(pieces[at++]) : controller.close();
    },
  });
}

// Many at once.
await Promise.all([...Array(200).keys()].map(async (i) => {
  const got = await fetch(`${base}/${i % 2 ? 'plain' : `later/${i % 7}`}/${i * 50}`);
  assert.equal(got.status, 200);
  assert.ok((await body(got)).equals(pattern(i * 50)), `body ${i}`);
}));

// Bodies that are streamed up are chunked, and come back as they went.
await Promise.all([...Array(20).keys()].map(async (i) => {
  const pieces = [...Array(30).keys()].map((j) => pattern(1 + i * 997 + j * 313, j));
  const got = await fetch(`${base}/echoed`, {method: 'POST', body: streamOf(pieces), duplex: 'half'});
  assert.equal(got.status, 200);
  assert.ok((await body(got)).equals(Buffer.concat(pieces)), `echo ${i}`);
}));

// Bodies that are streamed down are read piece by piece.
await Promise.all([...Array(10).keys()].map(async () => {
  const got = await fetch(`${base}/naps/40/3000`);
  const pieces = [];
  for await (const piece of got.body) pieces.push(Buffer.from(piece));
  assert.ok(Buffer.concat(pieces).equals(Buffer.concat([...Array(40).keys()].map((i) => pattern(3000, i)))));
}));

// Who stops reading in the middle hurts nobody.
for (let i = 0; i < 10; ++i) {
  const stop = new AbortController();
  const got = await fetch(`${base}/chunks/2000/5000`, {signal: stop.signal});
  const reader = got.body.getReader();
  await reader.read();
  stop.abort();
  await reader.read().then(() => {}, () => {});
}

// One after the other: those that are kept, of which the client had ten at once before and takes any; none is new.
const seen = new Set();
for (let i = 0; i < 50; ++i) seen.add(await (await fetch(`${base}/connection`)).text());
assert.ok(seen.size <= 10, `${seen.size} connections for 50 requests`);

for (const [target, status] of [['missing', 404], ['fails', 500], ['fails_later', 500], ['slow/9', 504]]) {
  const got = await fetch(`${base}/${target}`);
  assert.equal(got.status, status);
  await got.text();
}
assert.equal((await fetch(`${base}/plain/99`, {method: 'HEAD'})).headers.get('content-length'), '99');
console.log('ok');
process.exit(0);
