// Serves the chat rooms with Node's ws: the broadcast of its README, to the clients of a path. Node itself raises the limit of open files to the hard limit.
'use strict';

const { WebSocketServer, WebSocket } = require('ws');

const MAX_MESSAGE = 1 << 20; // bytes
const MAX_QUEUE = 4 << 20; // bytes that may wait for one client before it is disconnected

const at = process.argv.indexOf('-listen');
const [host, port] = (at > 0 ? process.argv[at + 1] : '127.0.0.1:0').split(':');

const wss = new WebSocketServer({ host, port: Number(port), backlog: 4096, perMessageDeflate: false, maxPayload: MAX_MESSAGE });

wss.on('listening', () => console.log(`listening on ${host}:${wss.address().port}`));
wss.on('error', (err) => {
  console.error(`${err.message}: use another -listen ADDRESS:PORT`);
  process.exit(1);
});

const rooms = new Map(); // sets of clients by path

wss.on('connection', (ws, req) => {
  const path = req.url;
  let room = rooms.get(path);
  if (!room) rooms.set(path, (room = new Set()));
  room.add(ws);
  ws.on('error', () => ws.terminate());
  ws.on('close', () => {
    room.delete(ws);
    if (room.size === 0 && rooms.get(path) === room) rooms.delete(path);
  });
  ws.on('message', (data, isBinary) => {
    for (const client of room) {
      if (client.readyState !== WebSocket.OPEN) continue;
      if (client.bufferedAmount > MAX_QUEUE) client.terminate();
      else client.send(data, { binary: isBinary });
    }
  });
});
