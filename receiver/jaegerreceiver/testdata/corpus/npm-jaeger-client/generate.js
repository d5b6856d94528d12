// Captures what the npm package `jaeger-client` sends, into the folder of this file:
// udp-*.bin are emitBatch messages of the binary protocol, http-*.bin bare Batch structs.
//
//   npm install --prefix /tmp/jaeger-client jaeger-client@3.19.0
//   NODE_PATH=/tmp/jaeger-client/node_modules node generate.js
//
// Span IDs and times differ from run to run; the structure does not.
'use strict';
const dgram = require('dgram');
const fs = require('fs');
const http = require('http');
const os = require('os');
const path = require('path');
const opentracing = require('opentracing');
const jaeger = require('jaeger-client');

// This host's name, which the client puts in, becomes as many other letters.
function save(name, packet) {
  const host = os.hostname();
  const text = packet.toString('latin1').split(host).join('h'.repeat(host.length));
  fs.writeFileSync(path.join(__dirname, name + '.bin'), Buffer.from(text, 'latin1'));
}

const acts = {
  one: tracer => tracer.startSpan('one').finish(),
  rich: tracer => {
    const root = tracer.startSpan('GET /', { tags: { 'span.kind': 'server', 'http.status_code': 404 } });
    const child = tracer.startSpan('query', {
      childOf: root,
      tags: { 'span.kind': 'client', rows: 17, ratio: 0.25, cached: false, error: true, 'http.status_message': 'späť' },
    });
    child.log({ event: 'retry', attempt: 2, last: true, delay: 0.5 });
    child.finish();
    tracer.startSpan('write behind', { references: [opentracing.followsFrom(root.context())] }).finish();
    root.finish();
  },
  many: tracer => {
    const root = tracer.startSpan('root');
    for (let i = 0; i < 39; i++) tracer.startSpan('step', { childOf: root, tags: { i } }).finish();
    root.finish();
  },
};

function trace(reporter, act) {
  const tracer = jaeger.initTracer({ serviceName: 'corpus', sampler: { type: 'const', param: 1 } },
    { reporter, tags: { ip: '192.0.2.1', 'a.tag': 'of the process' } });
  act(tracer);
  return new Promise(done => tracer.close(done));
}

// initTracer does not take a sender, so the reporter is made of the package's own parts.
const parts = name => require(path.join(path.dirname(require.resolve('jaeger-client')), 'reporters', name)).default;
const remote = sender => new (parts('remote_reporter'))(sender, { bufferFlushInterval: 1e6 });

async function main() {
  const socket = dgram.createSocket('udp4');
  await new Promise(bound => socket.bind(0, '127.0.0.1', bound));
  for (const [name, act] of Object.entries(acts)) {
    const packet = new Promise(got => socket.once('message', got));
    await trace(remote(new (parts('udp_sender'))({ host: '127.0.0.1', port: socket.address().port })), act);
    save('udp-' + name, await packet);
  }
  socket.close();

  let arrived;
  const server = http.createServer((request, response) => {
    const pieces = [];
    request.on('data', piece => pieces.push(piece));
    request.on('end', () => { arrived(Buffer.concat(pieces)); response.writeHead(202).end(); });
  });
  await new Promise(bound => server.listen(0, '127.0.0.1', bound));
  const body = new Promise(got => { arrived = got; });
  const endpoint = 'http://127.0.0.1:' + server.address().port + '/api/traces';
  await trace(remote(new (parts('http_sender'))({ endpoint })), acts.rich);
  save('http-rich', await body);
  server.close();
}

main().catch(error => { console.error(error); process.exit(1); });
