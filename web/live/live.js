// The page of the live picture: asks for a key, opens the feed, and shows its messages.

import { Feed } from './feed.js';
import { Charts } from './charts.js';
import { table, connectionColumns, roomColumns } from './tables.js';
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

let feed = null;
let hello = null;
let latest = null; // the latest message, to show it again when the language changes
let answer = null;
let quest = null; // the last search
let state = ['out'];

// setState shows the state of the connection. The seconds until the next try are hidden from
// screen readers, which would read each of them.
function setState(name, seconds = null) {
  state = [name, seconds];
  document.body.dataset.state = name;
  const text = name === 'out' ? '' : t('state_' + name, { node: hello?.node.slice(0, 6) ?? '', version: hello?.version ?? '' });
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

function showFound() {
  if (!answer) return;
  const values = { all: answer.all, n: answer.connections.length, time: clock(answer.at) };
  $('found').textContent = t(answer.all > values.n ? 'foundSome' : answer.all === 0 ? 'foundNone' : answer.all === 1 ? 'foundOne' : 'foundAll', values);
  results.show(answer.connections, answer.at, (c) => c.client);
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
  feed = hello = latest = answer = quest = null;
  actions.use('', []);
  charts.clear();
  for (const each of [slowest, largest, results]) each.clear();
  $('found').textContent = $('outcome').textContent = $('denied').textContent = '';
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
$('language').addEventListener('click', () => {
  toggleLanguage();
  translate();
  setState(...state);
  charts.translate();
  for (const each of [slowest, largest, results]) each.clear();
  showNow();
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
