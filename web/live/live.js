// The page of the live picture: asks for a key, opens the feed, and shows its messages.

import { Feed } from './feed.js';
import { Charts } from './charts.js';
import { table, connectionColumns, endedColumns, tracedColumns, elsewhereColumns, foundRoomColumns, nodeColumns, roomColumns, byNode, shortNode } from './tables.js';
import { Actions } from './actions.js';
import { clock } from './format.js';
import { t, translate, toggleLanguage } from './lang.js';
import { session } from './storage.js';

const $ = (id) => document.getElementById(id);
const STORED = 'webim.live.key'; // in sessionStorage: removed with the tab

const charts = new Charts($('charts'), $('moment'), $('told'));
const actions = new Actions((text, failed) => {
  $('outcome').textContent = text;
  $('outcome').classList.toggle('failed', failed);
  lookAgain();
});
const slowest = table($('slowest'), connectionColumns(actions), 'nobodySlow');
const largest = table($('largest'), roomColumns(), 'noRooms');
const results = table($('results'), connectionColumns(actions, true), null);
const elsewhere = table($('elsewhere'), elsewhereColumns(actions), null);
const foundRooms = table($('foundRooms'), foundRoomColumns(), null);
const ended = table($('ended'), endedColumns(), null);
const traced = table($('trace-events'), tracedColumns(), null);
const nodes = table($('nodes'), nodeColumns((node) => node === hello?.node), null);
const tables = [slowest, largest, results, elsewhere, foundRooms, ended, traced, nodes];

let feed = null;
let hello = null;
let latest = null; // the latest message, to show it again when the language changes
let counts = null; // of all nodes
let answer = null;
let quest = null; // the last search
let state = ['out'];

// setState shows the state of the connection. The seconds until the next try are hidden from
// screen readers, which would read each of them.
function setState(name, seconds = null) {
  state = [name, seconds];
  document.body.dataset.state = name;
  const text = name === 'out' ? '' : t('state_' + name, { node: hello ? shortNode(hello.node) : '', version: hello?.version ?? '' });
  if ($('status').textContent !== text) $('status').textContent = text;
  $('retry').textContent = seconds == null ? '' : t('retry', { seconds });
}

// show switches between the form and the picture.
function show(picture) {
  $('enter').hidden = picture;
  $('picture').hidden = $('leave').hidden = !picture;
}

function showNow() {
  if (!latest) return;
  slowest.show(latest.slowest, latest.now.at, (c) => c.client);
  largest.show(latest.largest, latest.now.at, (r) => r.name);
}

// showTrace shows the trace, the latest event first.
function showTrace() {
  const trace = latest?.trace;
  $('trace').textContent = t(trace ? 'traceEnd' : 'trace');
  $('traced').textContent = trace ? t('tracing', { who: trace.user || trace.room, n: trace.connections, time: clock(trace.until) }) : '';
  const events = trace ? trace.events.map((e, i) => ({ ...e, i })).reverse() : [];
  traced.show(events.slice(0, 50), latest?.now.at ?? 0, (e) => e.at + e.client + e.kind + e.i);
}

function showNodes() {
  if (!counts) return;
  $('missing').textContent = counts.missing ? t('nodesMissing', { time: clock(counts.at) }) : '';
  nodes.show(counts.all, counts.at, (n) => n.node);
}

function showFound() {
  if (!answer) return;
  const shown = answer.room ? answer.rooms.length : answer.connections.length;
  const values = { all: answer.all, n: shown, time: clock(answer.at), nodes: byNode(answer.nodes) };
  const size = answer.all > shown ? 'Some' : answer.all === 0 ? 'None' : answer.all === 1 ? 'One' : 'All';
  const texts = [t((answer.room ? 'rooms' : 'found') + size, values)];
  if (answer.nodes.length > 0) texts.push(t('foundElsewhere', values));
  if (answer.missing) texts.push(t('foundMissing'));
  $('found').textContent = texts.join(' ');
  results.show(answer.connections, answer.at, (c) => c.client);
  elsewhere.show(answer.elsewhere, answer.at, (c) => c.client);
  foundRooms.show(answer.rooms, answer.at, (r) => r.name);
  const ends = answer.ended ?? []; // null for watchers with a token
  $('ended-h').hidden = ends.length === 0;
  ended.show(ends, answer.at, (e) => e.node + e.client + e.address + e.closed);
}

// lookAgain repeats the last search after an action.
function lookAgain() {
  if (quest && feed) feed.find(quest);
}

function watch(key) {
  session.setItem(STORED, key);
  feed?.close();
  feed = new Feed(new URL('feed', import.meta.url), key, {
    connecting: () => setState('connecting'),
    waiting: (seconds, full) => setState(full ? 'full' : 'waiting', seconds),
    hello(h) {
      hello = h;
      actions.use(key, h.methods);
      $('denied').textContent = '';
      setState('live');
      if ($('picture').hidden) {
        show(true);
        charts.fit();
        $('figures-h').scrollIntoView({ block: 'nearest' });
      }
    },
    past: (figures) => charts.add(figures),
    now(m) {
      latest = m;
      charts.add([m.now]);
      showNow();
      showTrace();
    },
    nodes(n) {
      counts = n;
      showNodes();
    },
    found(f) {
      answer = f;
      showFound();
    },
    refused(reason) {
      leave();
      $('denied').textContent = t('refused_' + reason);
    },
  });
}

function leave() {
  session.removeItem(STORED);
  feed?.close();
  feed = hello = latest = counts = answer = quest = null;
  actions.use('', []);
  charts.clear();
  for (const each of tables) each.clear();
  $('missing').textContent = $('found').textContent = $('outcome').textContent = $('denied').textContent = '';
  $('ended-h').hidden = true;
  setState('out');
  show(false);
  $('key').focus();
}

$('enter').addEventListener('submit', (e) => {
  e.preventDefault();
  const key = $('key').value.trim();
  $('key').value = ''; // do not keep the key in the form
  if (key) watch(key);
});
$('leave').addEventListener('click', leave);
$('find').addEventListener('submit', (e) => {
  e.preventDefault();
  const who = $('who').value.trim();
  if (!who || !feed) return;
  quest = { [$('by').value]: who };
  feed.find(quest);
});
$('trace').addEventListener('click', () => {
  const who = $('who').value.trim(), by = $('by').value;
  if (latest?.trace) feed?.trace({}, 0);
  else if (who && (by === 'user' || by === 'room')) feed?.trace({ [by]: who }, 300);
  else $('traced').textContent = t('traceWhom');
});
$('language').addEventListener('click', () => {
  toggleLanguage();
  translate();
  setState(...state);
  charts.translate();
  for (const each of tables) each.clear();
  showNow();
  showTrace();
  showNodes();
  showFound();
});

translate();
charts.translate();
const kept = session.getItem(STORED);
if (kept) watch(kept);
else {
  show(false);
  $('key').focus();
}
