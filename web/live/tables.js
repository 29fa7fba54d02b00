// Tables that change each second. Rows are reused by their key, so that a button with the focus,
// or under the pointer, stays in place.

import { t } from './lang.js';
import { count, bytes, ago, millis, moment } from './format.js';

// A column is {name, text(item, now), title?(item, now), number?, code?} or {name,
// make(item)}, which is called once per row and returns an element. now is the time of
// the items by the server's clock.

export function table(place, columns, emptyText) {
  let rows = new Map();
  let body = null;

  function build() {
    const all = document.createElement('table');
    const head = all.createTHead().insertRow();
    for (const c of columns) {
      const th = document.createElement('th');
      th.scope = 'col';
      th.textContent = t('col_' + c.name);
      if (c.number) th.className = 'number';
      head.append(th);
    }
    body = all.createTBody();
    place.replaceChildren(all);
    rows = new Map();
  }

  function makeRow(item) {
    const tr = document.createElement('tr');
    const cells = columns.map((c) => {
      const td = tr.insertCell();
      td.dataset.label = t('col_' + c.name);
      if (c.number) td.className = 'number';
      if (c.code) td.className = 'code';
      if (!c.make) return td;
      const made = c.make(item);
      td.append(made);
      return made;
    });
    return { tr, update: (item, now) => columns.forEach((c, i) => c.make || setText(cells[i], c.text(item, now), c.title?.(item, now))) };
  }

  // keepFocus restores the focus after rows have moved. If the focused row is gone, it focuses the
  // heading, so that keyboard users stay at the table.
  function keepFocus(change) {
    const focused = place.contains(document.activeElement) ? document.activeElement : null;
    change();
    if (!focused || focused === document.activeElement) return;
    const to = focused.isConnected ? focused : place.closest('section').querySelector('h2');
    if (to !== focused) to.tabIndex = -1;
    to.focus({ preventScroll: true });
  }

  const made = {
    show(items, now, keyOf) {
      keepFocus(() => update(items, now, keyOf));
    },
    clear() {
      keepFocus(empty);
    },
  };

  function update(items, now, keyOf) {
    if (items.length === 0) {
      if (body) empty();
      return;
    }
    if (!body) build();
    const left = new Map(rows);
    items.forEach((item, i) => {
      const key = keyOf(item);
      left.delete(key);
      if (!rows.has(key)) rows.set(key, makeRow(item));
      const { tr, update } = rows.get(key);
      update(item, now);
      if (body.rows[i] !== tr) body.insertBefore(tr, body.rows[i] ?? null);
    });
    for (const [key, { tr }] of left) {
      tr.remove();
      rows.delete(key);
    }
  }

  function empty() {
    body = null;
    rows = new Map();
    place.replaceChildren();
    if (!emptyText) return;
    const p = document.createElement('p');
    p.className = 'note';
    p.textContent = t(emptyText);
    place.append(p);
  }

  empty();
  return made;
}

function setText(cell, text, title) {
  if (cell.textContent !== text) cell.textContent = text;
  if (title && cell.title !== title) cell.title = title;
}

// connectionColumns are the columns of a table of connections, with their rooms if there is space.
export function connectionColumns(actions, where = false) {
  const all = [
    { name: 'user', text: (c) => c.user || t('nameless') },
    { name: 'client', text: (c) => c.client, code: true },
    { name: 'address', text: (c) => c.address || t('unixSocket'), code: true },
    { name: 'dialect', text: (c) => c.dialect + (c.tls ? ' · TLS' : '') },
    { name: 'opened', text: (c, now) => where ? moment(c.opened, now) + ' · ' + ago(c.opened, now) : ago(c.opened, now), title: (c, now) => moment(c.opened, now) },
    { name: 'queued', text: (c) => bytes(c.queued), number: true },
    { name: 'took', text: (c, now) => ago(c.took, now), title: (c, now) => moment(c.took, now) },
  ];
  if (where) all.splice(4, 0, { name: 'rooms', text: (c) => roomNames(c) });
  all.push({ name: 'actions', make: (c) => actions.buttons(c) });
  return all;
}

function roomNames(c) {
  if (c.in_rooms === 0) return '–';
  const names = c.rooms.join(', ');
  return c.in_rooms > c.rooms.length ? t('andMore', { names, n: c.in_rooms - c.rooms.length }) : names;
}

// elsewhereColumns are the columns of a table of connections on other nodes.
export const elsewhereColumns = (actions) => [
  { name: 'user', text: (c) => c.user },
  { name: 'client', text: (c) => c.client, code: true },
  { name: 'actions', make: (c) => actions.buttons(c) },
];

// endedColumns are the columns of a table of connections that have ended.
export const endedColumns = () => [
  { name: 'ended', text: (e, now) => moment(e.closed, now) + ' · ' + ago(e.closed, now) },
  { name: 'user', text: (e) => e.user || t('nameless') },
  { name: 'client', text: (e) => e.client || t('neverOpen'), code: true },
  { name: 'address', text: (e) => e.address === 'unix' ? t('unixSocket') : e.address, code: true },
  { name: 'by', text: (e) => t('by_' + e.by) },
  { name: 'why', text: (e) => [e.cause, e.code, e.reason].filter(Boolean).join(' · ') },
  { name: 'queue', text: (e) => bytes(e.high_water), number: true },
  { name: 'trip', text: (e) => e.round_trip ? millis(e.round_trip) : '–', number: true },
  { name: 'last', text: (e) => (e.events ?? []).map((one) => eventText(one, e.closed)).join(' · ') || '–' },
];

// tracedColumns are the columns of the events of a trace.
export const tracedColumns = () => [
  { name: 'time', text: (e, now) => moment(e.at, now) },
  { name: 'user', text: (e) => e.user || t('nameless') },
  { name: 'client', text: (e) => e.client, code: true },
  { name: 'event', text: (e) => t('traced_' + e.kind) + (e.what ? ': ' + e.what : '') },
  { name: 'times', text: (e) => count(e.count), number: true },
  { name: 'size', text: (e) => bytes(e.bytes), number: true },
];

// eventText describes an event, with the time before the end.
const eventText = (one, end) => t('event_' + one.kind, { n: count(one.count), bytes: bytes(one.bytes), what: one.what, before: millis(Math.max(0, end - one.at)) });

// nodeColumns are the columns of the table of all nodes; isHere tells the node that serves the page.
export const nodeColumns = (isHere) => [
  { name: 'node', text: (n) => isHere(n.node) ? t('thisNode', { node: shortNode(n.node) }) : shortNode(n.node), title: (n) => n.node, code: true },
  { name: 'version', text: (n) => n.version },
  { name: 'uptime', text: (n, now) => ago(now - n.uptime, now), title: (n, now) => moment(now - n.uptime, now) },
  { name: 'connections', text: (n) => count(n.connections), number: true },
  { name: 'users', text: (n) => count(n.users), number: true },
  { name: 'rooms', text: (n) => count(n.rooms), number: true },
  { name: 'members', text: (n) => count(n.members), number: true },
];

// foundRoomColumns are the columns of a table of rooms on all nodes.
export const foundRoomColumns = () => [
  { name: 'room', text: (r) => r.name },
  { name: 'members', text: (r) => count(r.members), number: true },
  { name: 'onNodes', text: (r) => byNode(r.nodes) },
];

// shortNode shortens the id of a node.
export const shortNode = (node) => node.slice(0, 6);

// byNode formats numbers by node.
export const byNode = (nodes) => nodes.map((n) => shortNode(n.node) + ': ' + count(n.count)).join(' · ');

export const roomColumns = () => [
  { name: 'room', text: (r) => r.name },
  { name: 'members', text: (r) => count(r.members), number: true },
  { name: 'unswept', text: (r) => bytes(r.unswept), number: true },
];
