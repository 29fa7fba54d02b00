// The simple chat page, in the plain dialect: the path is the room, and what one
// sends comes back to everybody in it, the sender included. Text is only ever set
// as textContent, so a message can never become markup.

const KEPT = 200; // messages in the page; the oldest leave
const SHOWN = 20_000; // characters of one message; a megabyte would freeze the page
const BASE = 500, CAP = 30_000; // of the back-off, in milliseconds
const PATIENCE = 10_000; // for one try; the browser's own limit is minutes
const STABLE = 5_000; // a connection this old was a good one: the back-off starts anew
const BACKLOG = 1 << 20; // bytes the browser may hold that the network has not taken

const $ = (id) => document.getElementById(id);
const unconfirmed = []; // sent, but not yet come back
let socket, attempt = 0, timer = 0; // tries since the last good connection; the next one

// The page at /classic is in the lobby, /classic?room=name in the room "name". The
// server is found relative to this file, so the page works below a prefix of a proxy.
// The path is set, not parsed, so that no name can lead to another host.
const room = new URLSearchParams(location.search).get('room') || '';
const url = new URL('..', import.meta.url);
url.protocol = url.protocol.replace('http', 'ws');
url.pathname += room.split('/').map(encodeURIComponent).join('/');

function connect() {
  clearTimeout(timer);
  timer = 0;
  show(attempt ? 'Reconnecting' : 'Connecting', attempt ? `trying now, attempt ${attempt}` : '');
  const ws = socket = new WebSocket(url);
  const impatience = setTimeout(() => ws.close(), PATIENCE);
  let opened = 0;
  ws.onopen = () => {
    clearTimeout(impatience);
    opened = performance.now();
    show('Connected');
    $('fault').textContent = $('notice').textContent = '';
  };
  ws.onmessage = ({ data }) => receive(data);
  ws.onclose = ({ code, reason }) => {
    clearTimeout(impatience);
    // What was sent but did not come back may have been lost: its text is kept.
    for (const text of unconfirmed.splice(0)) add('lost', 'perhaps not sent:', text);
    if (opened && performance.now() - opened > STABLE) attempt = 0;
    $('fault').textContent = code !== 1006 ? `Disconnected by the server: ${reason || 'no reason given'} (code ${code}).`
      : opened ? 'Disconnected: the connection was lost.' : 'Disconnected: the server cannot be reached.';
    // By the convention of Centrifuge, these codes say that a retry cannot help.
    if (code >= 3500 && code < 4000 || code >= 4500 && code < 5000) show('Disconnected', '', true);
    else retryLater();
  };
}

// Full jitter: a thousand pages that lost their server together do not come back
// together.
function retryLater() {
  const due = performance.now() + Math.random() * Math.min(CAP, BASE * 2 ** attempt++);
  const tick = () => {
    const left = due - performance.now();
    if (left <= 0) return connect();
    show('Reconnecting', `next try in ${Math.ceil(left / 1000)} s, attempt ${attempt}`, true);
    timer = setTimeout(tick, left % 1000 || 1000);
  };
  tick();
}

function show(state, progress = '', mayRetry = false) {
  document.body.dataset.state = state.toLowerCase();
  if ($('state').textContent !== state) $('state').textContent = state; // a screen reader says it each time
  $('progress').textContent = progress;
  $('retry').hidden = !mayRetry;
}

function receive(data) {
  if (typeof data !== 'string') return add('binary', 'new message:', `[binary, ${data.size} bytes]`);
  // Somebody else's equal text may confirm ours too early: the dialect has no ids.
  const mine = unconfirmed.indexOf(data);
  if (mine >= 0) unconfirmed.splice(mine, 1);
  add(mine >= 0 ? 'mine' : 'theirs', 'new message:', data);
}

function add(kind, label, text) {
  const [item, name, body] = ['p', 'span', 'bdi'].map((tag) => document.createElement(tag)); // bdi: its direction ends with it
  item.className = kind;
  name.textContent = label;
  body.textContent = text.length <= SHOWN ? text : `${text.slice(0, SHOWN)} … [${text.length - SHOWN} more characters]`;
  item.append(name, ' ', body);
  $('log').prepend(item);
  while ($('log').childElementCount > KEPT) $('log').lastElementChild.remove();
}

$('composer').addEventListener('submit', (event) => {
  event.preventDefault();
  $('text').focus();
  const text = $('text').value;
  const why = socket.readyState !== WebSocket.OPEN ? 'there is no connection' : socket.bufferedAmount > BACKLOG ? 'the connection is too slow just now' : '';
  $('notice').textContent = text && why && `Not sent: ${why}. Your text stays here.`;
  if (!text || why) return;
  socket.send(text);
  unconfirmed.push(text);
  $('text').value = '';
});
$('retry').addEventListener('click', () => { $('text').focus(); connect(); });
addEventListener('online', () => { if (timer) connect(); });

$('room').textContent = room || 'lobby';
document.title = `${room || 'lobby'} · webim`;
connect();
