// Serves the chat rooms with uWebSockets.js: each client subscribes to the topic of its path, and each message is published there, as in the library's
// example of a broadcast. It runs on one thread, which is the default.
//
// uWebSockets.js is not in npm's registry. Its authors let npm install it from their repository:
//
//     npm install --prefix bench/peers/uws --no-save uNetworking/uWebSockets.js#v20.52.0
//
// The registry has copies by other authors with the same compiled code; inspect them before you run them:
//
//     npm install --prefix bench/peers/uws --no-save uWebSockets.js@npm:uwebsockets@3.0.6
'use strict';

const MAX_MESSAGE = 1 << 20; // bytes
const MAX_QUEUE = 4 << 20; // bytes that may wait for one client before it is disconnected

let uws;
try {
  uws = require('uWebSockets.js');
} catch (err) {
  console.error(`uWebSockets.js cannot be loaded (${String(err.message).split('\n')[0]}): bench/peers/uws/server.js says how to install it`);
  process.exit(1);
}
if (process.argv.includes('-check')) process.exit(0);

const at = process.argv.indexOf('-listen');
const [host, port] = (at > 0 ? process.argv[at + 1] : '127.0.0.1:0').split(':');

const app = uws.App();

app.ws('/*', {
  compression: uws.DISABLED,
  maxPayloadLength: MAX_MESSAGE,
  maxBackpressure: MAX_QUEUE,
  closeOnBackpressureLimit: true,
  upgrade: (res, req, context) => {
    res.upgrade({ path: req.getUrl() }, req.getHeader('sec-websocket-key'), req.getHeader('sec-websocket-protocol'),
      req.getHeader('sec-websocket-extensions'), context);
  },
  open: (ws) => ws.subscribe(ws.getUserData().path),
  message: (ws, message, isBinary) => app.publish(ws.getUserData().path, message, isBinary), // to the sender too, unlike ws.publish
});

app.listen(host, Number(port), (socket) => {
  if (!socket) {
    console.error(`cannot listen on ${host}:${port}: give another -listen ADDRESS:PORT`);
    process.exit(1);
  }
  console.log(`listening on ${host}:${uws.us_socket_local_port(socket)}`);
});
