// Tests of the class Room in chat.js, which is beside this file: they play the library and the server.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ChatError, Outbox, Room } from './chat.mjs';

// A subscription of the library, without a connection.
class Subscription {
  state = 'subscribing';
  #handlers = {};
  on(event, f) { this.#handlers[event] = f; return this; }
  emit(event, detail) { this.#handlers[event](detail); }
  subscribe() {}
  unsubscribe() { this.state = 'unsubscribed'; }
}

/** A room of bob, and what a test does to it. */
class Kit {
  sub = new Subscription();
  calls = []; // those without an answer: {method, data, resolve, reject}
  gaps = 0;
  timers = [];

  constructor(t) {
    t.mock.method(globalThis, 'setTimeout', (f) => this.timers.push(f));
    t.mock.method(globalThis, 'clearTimeout', (id) => { delete this.timers[id - 1]; });
    const chat = {
      user: 'bob', client: 'here', state: 'connected', now: () => 1,
      call: (method, data) => new Promise((resolve, reject) => this.calls.push({ method, data, resolve, reject })),
    };
    const client = { newSubscription: () => this.sub, removeSubscription() {} };
    this.room = new Room(chat, client, 'lobby', new Outbox(() => Promise.reject(new ChatError(103, 'no'))), () => {});
    this.room.addEventListener('gap', () => this.gaps++);
  }

  get texts() { return this.room.messages.map((m) => `${m.offset} ${m.data.text}`).join(', '); }

  /** The room is subscribed: for the first time, or again with or without a gap, and with the publications of the outage. */
  async subscribed({ again = false, gap = false } = {}, ...publications) {
    this.sub.state = 'subscribed';
    this.sub.emit('subscribed', { wasRecovering: again, recovered: again && !gap, hasRecoveredPublications: publications.length > 0 });
    for (const p of publications) this.sub.emit('publication', p);
    await settled();
  }

  async lose() {
    this.sub.state = 'subscribing';
    for (const { reject } of this.calls.splice(0)) reject(new ChatError(11, 'connection closed', true));
    await settled();
  }

  async publish(...publications) {
    for (const p of publications) this.sub.emit('publication', p);
    await settled();
  }

  /** Takes the oldest call of a method, or the one at an index among those of it. */
  take(method, at = 0) {
    const one = this.calls.filter((call) => call.method === method)[at];
    assert(one, `no call of ${method}`);
    this.calls.splice(this.calls.indexOf(one), 1);
    return one;
  }

  async answer(method, result, at) {
    this.take(method, at).resolve(result);
    await settled();
  }

  async fail(method, temporary) {
    this.take(method).reject(new ChatError(100, 'not now', temporary));
    await settled();
  }

  /** Answers the oldest load of messages, or the one at an index; there are no marks. */
  async load(page, at) {
    await this.answer('messages', page, at);
    await this.unmarked();
  }

  /** Answers the oldest load of messages with an error. */
  async failLoad(temporary) {
    await this.fail('messages', temporary);
    await this.unmarked();
  }

  async unmarked() {
    while (this.calls.some((call) => call.method === 'marks')) await this.answer('marks', { marks: [] });
  }

  /** Opens the room with messages. */
  async open(page) {
    await this.subscribed();
    await this.load(page);
  }

  /** Runs the timers that wait. */
  async later() {
    for (const f of this.timers.splice(0)) f?.();
    await settled();
  }
}

const settled = () => new Promise(setImmediate); // all promises that can be settled are
const message = (offset, text, time = 5) => ({ offset, data: { text }, info: { user: 'ann' }, time });
const said = (offset, text) => ({ offset, data: { text }, info: { user: 'ann' }, tags: {} });
const edited = (offset, of, text) => ({ offset, data: { text }, info: { user: 'ann' }, tags: { event: 'edit', of: String(of) } });
const page = (offset, messages, more = {}) => ({ messages, offset, more: false, ...more });

test('A load after a gap that is lost with the connection is made at the next subscription', async (t) => {
  const k = new Kit(t);
  await k.open(page(1, [message(1, 'before')]));
  await k.subscribed({ again: true, gap: true });
  await k.publish(said(1, 'new 0'));
  await k.lose();
  assert.equal(k.texts, '1 before');
  assert.equal(k.gaps, 0);
  await k.subscribed({ again: true }, said(2, 'new 1'));
  await k.publish(said(3, 'new 2'));
  assert.equal(k.texts, '1 before');
  await k.load(page(2, [message(1, 'new 0'), message(2, 'new 1')]));
  assert.equal(k.texts, '1 new 0, 2 new 1, 3 new 2');
  assert.equal(k.gaps, 1);
  assert.deepEqual(k.calls, []);
});

for (const again of [false, true]) test(`A load ${again ? 'after a gap ' : ''}with a temporary error is made again, with any other error it is not`, async (t) => {
  const k = new Kit(t);
  if (again) await k.open(page(1, [message(1, 'before')]));
  await k.subscribed({ again, gap: again });
  for (let i = 0; i < 3; i++) {
    await k.failLoad(true);
    assert.equal(k.room.error.message, 'not now');
    assert.deepEqual(k.calls, []);
    await k.later();
  }
  await k.load(page(2, [message(2, 'after')]));
  assert.equal(k.texts, '2 after');
  assert.equal(k.room.error, null);
  assert.equal(k.gaps, again ? 1 : 0);

  await k.subscribed({ again: true, gap: true });
  await k.failLoad(false);
  assert.equal(k.room.error.message, 'not now');
  await k.later();
  assert.deepEqual(k.calls, []);
});

test('A closed room is not loaded again', async (t) => {
  const k = new Kit(t);
  await k.subscribed();
  await k.failLoad(true);
  k.room.close();
  await k.later();
  assert.deepEqual(k.calls, []);
});

test('Publications that arrive during a load are shown once', async (t) => {
  const k = new Kit(t);
  await k.open(page(1, [message(1, 'before')]));
  await k.subscribed({ again: true, gap: true });
  await k.publish(said(1, 'one'), said(2, 'two'), edited(3, 1, 'ONE'), said(4, 'four'));
  await k.load(page(2, [message(1, 'one'), message(2, 'two')]));
  assert.equal(k.texts, '1 ONE, 2 two, 4 four');
});

test('The page of a load that the user has asked for does not lose what arrives meanwhile', async (t) => {
  const k = new Kit(t);
  await k.open(page(1, [message(1, 'one')]));
  k.room.newest();
  k.room.newest();
  await k.publish(said(2, 'two'));
  await k.load(page(2, [message(1, 'one'), message(2, 'two')]), 1);
  await k.publish(said(3, 'three'));
  await k.load(page(1, [message(1, 'one')]));
  assert.equal(k.texts, '1 one, 2 two, 3 three');
});

test('A page from before a gap is not used', async (t) => {
  const k = new Kit(t);
  await k.open(page(9, [message(8, 'eight'), message(9, 'nine')], { more: true, next: 8 }));
  const older = k.room.older();
  k.room.newest();
  await k.subscribed({ again: true, gap: true });
  await k.load(page(9, [message(7, 'seven')])); // of older
  assert.equal(await older, false);
  await k.answer('messages', page(9, [message(8, 'eight'), message(9, 'nine')])); // of newest
  assert.equal(k.texts, '8 eight, 9 nine');
  assert.equal(k.gaps, 0);
  await k.answer('messages', page(1, [message(1, 'one')]));
  assert.equal(k.texts, '1 one');
  await k.load(page(1, [message(1, 'one')])); // newest has asked again
  assert.equal(k.texts, '1 one');
  assert.equal(k.gaps, 1);
  assert.deepEqual(k.calls, []);
});

test('While the room must be loaded anew, older() and newer() do that', async (t) => {
  const k = new Kit(t);
  await k.open(page(9, [message(9, 'nine')], { more: true, next: 9 }));
  await k.subscribed({ again: true, gap: true });
  await k.lose();
  const older = k.room.older();
  await k.load(page(1, [message(1, 'one')]));
  assert.equal(await older, true);
  assert.equal(k.texts, '1 one');
  assert.equal(k.gaps, 1);
});

test('An edit that arrives during the load of an older page is shown', async (t) => {
  const k = new Kit(t);
  await k.open(page(2, [message(2, 'two')], { more: true, next: 2 }));
  const older = k.room.older();
  await k.publish(edited(3, 1, 'ONE'), said(4, 'four'));
  await k.answer('messages', page(2, [message(1, 'one')]));
  assert.equal(await older, true);
  assert.equal(k.texts, '1 ONE, 2 two, 4 four');
});

test('A message that arrives during the load of the last page is shown', async (t) => {
  const k = new Kit(t);
  const many = Array.from({ length: 200 }, (_, i) => message(2 + i, 'x'));
  await k.open(page(201, many, { more: true, next: 2 }));
  k.room.older();
  await k.answer('messages', page(201, [message(1, 'one')]));
  assert.equal(k.room.atEnd, false);
  const newer = k.room.newer();
  await k.publish(said(202, 'the last'));
  await k.answer('messages', page(201, [message(201, 'x')]));
  assert.equal(await newer, true);
  assert.equal(k.room.atEnd, true);
  assert.match(k.texts, /200 x, 201 x, 202 the last$/);
});

test('Recovered messages that a page has are not shown twice', async (t) => {
  const k = new Kit(t);
  await k.open(page(1, [message(1, 'one')]));
  await k.lose();
  k.room.newest(); // the library sends it as soon as there is a connection
  await k.load(page(4, [message(3, 'three'), message(4, 'four')], { more: true, next: 3 }));
  await k.subscribed({ again: true }, said(2, 'two'), said(3, 'three'), said(4, 'four'), said(5, 'five'));
  assert.equal(k.texts, '3 three, 4 four, 5 five');
});

test('The times of recovered messages, and the marks, are loaded until that succeeds', async (t) => {
  const k = new Kit(t);
  await k.open(page(1, [message(1, 'one')]));
  await k.lose();
  await k.subscribed({ again: true }, said(2, 'two'));
  await k.lose();
  await k.subscribed({ again: true }, said(3, 'three'));
  await k.fail('messages', true);
  await k.later();
  const times = k.take('messages');
  assert.equal(times.data.after, 1);
  await k.publish(edited(4, 2, 'TWO'));
  times.resolve(page(3, [message(2, 'two'), message(3, 'three')]));
  await settled();
  assert.equal(k.texts, '1 one, 2 TWO, 3 three');
  assert.deepEqual(k.room.messages.map((m) => m.time), [5, 5, 5]);
  await k.fail('marks', true);
  await k.later();
  await k.publish({ info: { user: 'ann' }, tags: { event: 'mark', read: '3', delivered: '3' } });
  await k.answer('marks', { marks: [{ user: 'ann', read: 2, delivered: 4 }] });
  assert.deepEqual(k.room.marks.get('ann'), { read: 3, delivered: 4 });
  await k.later();
  assert.deepEqual(k.calls, []);
});

test('After a gap, nothing that belongs to the former offsets counts', async (t) => {
  const k = new Kit(t);
  await k.open(page(9, [{ ...message(9, 'an answer'), reply: 3 }]));
  await k.answer('messages', page(9, [message(3, 'quoted')]));
  await k.publish({ info: { user: 'ann' }, tags: { event: 'mark', read: '9', delivered: '9' } });
  assert.equal(k.room.quoted(3).data.text, 'quoted');
  assert.equal(k.room.progress(9), 'read');
  k.room.read(9);
  await k.answer('mark', {});
  await k.subscribed({ again: true, gap: true });
  await k.load(page(4, [{ ...message(4, 'another answer'), reply: 3 }]));
  assert.equal(k.room.quoted(3), undefined);
  await k.answer('messages', page(4, [message(3, 'quoted now')]));
  assert.equal(k.room.quoted(3).data.text, 'quoted now');
  assert.equal(k.room.progress(4), 'sent');
  k.room.read(4);
  assert.equal(k.take('mark').data.read, 4);
});
