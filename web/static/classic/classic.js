// The chat page, in the plain dialect: the path is the room, and what one
// sends comes back to everybody in it, the sender included. Text is only ever
// set as textContent, so a message can never become markup.

const KEPT = 200; // messages in the page; the oldest leave
const SHOWN = 20_000; // characters of one message; a megabyte would freeze the page
const BASE = 500, CAP = 30_000; // of the back-off, in milliseconds
const PATIENCE = 10_000; // for one try; the browser's own limit is minutes
const STABLE = 5_000; // a connection this old was a good one: the back-off starts anew
const BACKLOG = 1 << 20; // bytes the browser may hold that the network has not taken

const $ = (id) => document.getElementById(id);
const input = $('text');

const url = socketURL();
const unconfirmed = []; // sent, but not yet come back
let socket;
let attempt = 0; // tries since the last good connection
let timer = 0; // of the next try; 0 when none is planned

// The page at / is in the lobby, /?room=name in the room "name". The path is
// set, not parsed, so that no name can lead to another host.
function socketURL() {
  const url = new URL(location.origin);
  url.protocol = location.protocol === 'https:' ? 'wss:' : 'ws:';
  url.pathname = (new URLSearchParams(location.search).get('room') ?? '')
    .split('/').map(encodeURIComponent).join('/');
  return url;
}

function connect() {
  clearTimeout(timer);
  timer = 0;
  if (attempt > 0) show('reconnecting', `trying now, attempt ${attempt}`);
  else show('connecting');

  const ws = socket = new WebSocket(url);
  const impatience = setTimeout(() => ws.close(), PATIENCE);
  let opened = 0;
  ws.onopen = () => {
    clearTimeout(impatience);
    opened = performance.now();
    show('connected');
    fault('');
    notice('');
  };
  ws.onmessage = ({ data }) => receive(data);
  ws.onclose = (event) => {
    clearTimeout(impatience);
    giveBack();
    if (opened && performance.now() - opened > STABLE) attempt = 0;
    fault(why(event, opened > 0));
    if (isFinal(event.code)) show('disconnected', '', true);
    else retryLater();
  };
}

// Full jitter: a thousand pages that lost their server together do not come
// back together.
function retryLater() {
  const due = performance.now() + Math.random() * Math.min(CAP, BASE * 2 ** attempt);
  attempt++;
  const tick = () => {
    const left = due - performance.now();
    if (left <= 0) return connect();
    show('reconnecting', `next try in ${Math.ceil(left / 1000)} s, attempt ${attempt}`, true);
    timer = setTimeout(tick, left % 1000 || 1000);
  };
  tick();
}

// By the convention of Centrifuge, these codes say that a retry cannot help.
function isFinal(code) {
  return (code >= 3500 && code < 4000) || (code >= 4500 && code < 5000);
}

function why({ code, reason }, opened) {
  if (code !== 1006) return `Disconnected by the server: ${reason || 'no reason given'} (code ${code}).`;
  return opened ? 'Disconnected: the connection was lost.' : 'Disconnected: the server cannot be reached.';
}

function show(state, progress = '', mayRetry = false) {
  document.body.dataset.state = state;
  const text = state[0].toUpperCase() + state.slice(1);
  // Written only when it changes: a screen reader says it each time.
  if ($('state').textContent !== text) $('state').textContent = text;
  $('progress').textContent = progress;
  $('retry').hidden = !mayRetry;
}

function fault(text) { $('fault').textContent = text; } // of the connection
function notice(text) { $('notice').textContent = text; } // of the text in the box

function receive(data) {
  if (typeof data !== 'string') return add('binary', 'new message:', `[binary, ${data.size} bytes]`);
  // Somebody else's equal text may confirm ours too early: the dialect has no ids.
  const mine = unconfirmed.indexOf(data);
  if (mine >= 0) unconfirmed.splice(mine, 1);
  add(mine >= 0 ? 'mine' : 'theirs', 'new message:', data);
}

// What was sent but did not come back may have been lost: say so, and keep the text.
function giveBack() {
  for (const text of unconfirmed.splice(0)) add('lost', 'perhaps not sent:', text);
}

function add(kind, label, text) {
  const item = document.createElement('p');
  item.className = kind;
  const name = document.createElement('span');
  name.textContent = label;
  const body = document.createElement('bdi'); // isolated: its direction ends with it
  body.textContent = text.length <= SHOWN ? text
    : `${text.slice(0, SHOWN)} … [${text.length - SHOWN} more characters]`;
  item.append(name, ' ', body);
  $('log').prepend(item);
  while ($('log').childElementCount > KEPT) $('log').lastElementChild.remove();
}

$('composer').addEventListener('submit', (event) => {
  event.preventDefault();
  input.focus();
  const text = input.value;
  if (text === '') return;
  if (socket.readyState !== WebSocket.OPEN) return notice('Not sent: there is no connection. Your text stays here.');
  if (socket.bufferedAmount > BACKLOG) return notice('Not sent: the connection is too slow just now. Your text stays here.');
  socket.send(text);
  unconfirmed.push(text);
  input.value = '';
  notice('');
});
$('retry').addEventListener('click', () => { input.focus(); connect(); });
addEventListener('online', () => { if (timer) connect(); });

const room = decodeURIComponent(url.pathname.slice(1)) || 'lobby';
$('room').textContent = room;
document.title = `${room} · webim`;
connect();
