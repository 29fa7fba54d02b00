// chat.js: all that a page needs of webim, in one module. It wraps the npm
// package "centrifuge", which must have been loaded before (it defines the global
// Centrifuge), and the calls and events that webim's package room/chat documents.
//
//   const chat = new Chat({ guest: 'Ann' });          // or { token }
//   chat.addEventListener('state', () => …chat.state…);
//   await chat.connect();
//   const room = chat.open('lobby');
//   room.addEventListener('change', () => …room.messages, room.outbox…);
//   room.send('hello');
//   room.close();
//
// Nothing here touches the document. Every promise that fails does so with a
// ChatError, whose code is the protocol's or webim's.

import { Fold } from './fold.js';
import { Outbox } from './outbox.js';

/** What went wrong with a call: code, as in the protocol (100–113) or webim's own (440–445), and a sentence. */
export class ChatError extends Error {
  constructor(code, message, temporary = false) {
    super(message);
    this.code = code;
    this.temporary = temporary;
  }
}

const asError = (e) => new ChatError(e?.code ?? 0, e?.message ?? String(e), e?.temporary || !e?.code || e.code < 100);

/**
 * A user's connection.
 *
 * Events: 'state' when state, reason or retryAt has changed; 'rooms' when the list
 * of rooms or what is unread there has; 'invite' with detail {room, title, by}.
 */
export class Chat extends EventTarget {
  /** 'connecting' | 'connected' | 'waiting' (for the next try) | 'ended' (for good) */
  state = 'connecting';
  /** of 'ended': {code, reason} */
  reason = null;
  /** of 'waiting': when the next try is, in milliseconds since 1970 */
  retryAt = 0;
  /** the user's id; '' until it is known */
  user = '';
  /** the token with which a guest is the same guest again; the page may keep it */
  token = '';
  #client;
  #guest = '';
  #storage;
  #rooms = new Map(); // open ones, by name
  #outboxes = new Map(); // of rooms that something was said in, open or not

  /**
   * @param {object} o
   * @param {string} [o.url] of the server; default: the page's own
   * @param {string} [o.token] who one is
   * @param {string} [o.guest] else, or when the token is good no more, the name of a guest
   * @param {() => Promise<string>} [o.getToken] a new token, when the old one has run out
   * @param {Storage} [o.storage] where what is not sent yet outlives the page, as sessionStorage
   */
  constructor({ url = ownURL(), token = '', guest = '', getToken, storage } = {}) {
    super();
    this.#storage = storage;
    this.token = token;
    this.#guest = guest;
    this.user = token ? userOf(token) : '';
    this.#client = new globalThis.Centrifuge(url, {
      ...(token && { token }), ...(getToken && { getToken }), ...(!token && guest && { data: { guest } }),
      minReconnectDelay: 300, maxReconnectDelay: 20_000, timeout: 8_000,
    });
    this.#client
      .on('connected', (c) => this.#connected(c))
      .on('connecting', () => this.#become('connecting'))
      .on('disconnected', (c) => this.#ended(c))
      .on('publication', (p) => this.#personal(p));
    // The library does not tell when it tries again; this is where it decides.
    const delayOf = this.#client._getReconnectDelay.bind(this.#client);
    this.#client._getReconnectDelay = () => {
      const delay = delayOf();
      this.#become('waiting', Date.now() + delay);
      return delay;
    };
  }

  /** Connects; resolves when that is done for the first time, rejects when it never will be. */
  connect() {
    this.#client.connect();
    return this.ready();
  }

  /** Tries again at once, for who does not want to wait; also after an end. */
  retry() {
    this.reason = null;
    this.#client.disconnect();
    this.#client.connect();
  }

  /** Ends the connection. */
  disconnect() { this.#client.disconnect(); }

  /** Makes a call of webim's, by its name. */
  async call(method, data = {}) {
    try {
      return (await this.#client.rpc(method, data)).data;
    } catch (e) {
      throw asError(e);
    }
  }

  /** Resolves when there is a connection, rejects when there will be none. */
  async ready() {
    for (;;) {
      try {
        return await this.#client.ready();
      } catch (e) {
        if (this.state === 'ended') throw asError(this.reason ?? e);
        await new Promise((done) => setTimeout(done)); // it comes in anew
      }
    }
  }

  /** The rooms of one's list: {room, kind, title, unread, read, last, role}. */
  async list() {
    const all = [];
    for (let after = ''; ;) {
      const page = await this.call('rooms', { after, limit: 100 });
      all.push(...page.rooms);
      if (!page.more) return all;
      after = all.at(-1).room;
    }
  }

  create(title, { room, users } = {}) { return this.call('room.create', { title, room, users }); }
  direct(user) { return this.call('room.direct', { user }); }
  join(room) { return this.call('room.join', { room }); }
  leave(room) { return this.call('room.leave', { room }); }
  invite(room, user) { return this.call('room.invite', { room, user }); }
  /** Without a room: everywhere. options: {seconds, reason}. */
  kick(room, user) { return this.call('kick', { room, user }); }
  ban(room, user, options) { return this.call('ban', { room, user, ...options }); }
  unban(room, user) { return this.call('unban', { room, user }); }
  mute(room, user, options) { return this.call('mute', { room, user, ...options }); }
  unmute(room, user) { return this.call('unmute', { room, user }); }
  sanctions(room) { return this.call('sanctions', { room }); }

  /** Opens a room: subscribes, and loads its newest messages. Close it when it is left. */
  open(name) {
    const old = this.#rooms.get(name);
    if (old) return old;
    const room = new Room(this, this.#client, name, this.#outbox(name), () => this.#rooms.delete(name));
    this.#rooms.set(name, room);
    return room;
  }

  #outbox(room) {
    let box = this.#outboxes.get(room);
    if (!box) {
      box = new Outbox((m) => this.#deliver(room, m));
      box.addEventListener('change', () => this.#save());
      this.#outboxes.set(room, box);
    }
    return box;
  }

  async #deliver(room, { id, text, reply }) {
    try {
      await this.ready();
      return (await this.call('send', { room, id, data: { text }, ...(reply && { reply }) })).offset;
    } catch (e) {
      if (this.state === 'ended') e.temporary = false;
      throw e;
    }
  }

  #save() {
    const rooms = [...this.#outboxes].map(([room, box]) => [room, box.all.filter((m) => m.state !== 'sent').map(({ id, text, reply, time }) => ({ id, text, reply, time }))]).filter(([, all]) => all.length);
    if (rooms.length) this.#storage?.setItem(SAVED, JSON.stringify({ user: this.user, rooms }));
    else this.#storage?.removeItem(SAVED);
  }

  // What the page before this one, in the same tab, could not send.
  #restore() {
    const { user, rooms } = JSON.parse(this.#storage?.getItem(SAVED) ?? '{}');
    this.#storage?.removeItem(SAVED);
    if (user && user === this.user) for (const [room, all] of rooms) this.#outbox(room).restore(all);
  }

  #connected(c) {
    if (c.data?.token) {
      this.token = c.data.token;
      this.user = c.data.user;
      this.#client.setToken(this.token);
    }
    this.#become('connected');
    if (!this.#outboxes.size) this.#restore();
    this.#tell('rooms');
  }

  #ended({ code, reason }) {
    if ((code === 3500 || code === UNAUTHORIZED) && this.token && this.#guest) { // a guest whom the server knows no more comes in as a new one
      this.token = this.user = '';
      this.#client.setToken('');
      this.#client.setData({ guest: this.#guest });
      queueMicrotask(() => this.#client.connect());
      return;
    }
    this.reason = { code, reason };
    this.#become('ended');
  }

  #become(state, retryAt = 0) {
    this.state = state;
    this.retryAt = retryAt;
    this.#tell('state');
  }

  // What the server puts into the user's own room.
  #personal({ channel, tags = {}, data }) {
    if (channel !== personalRoom(this.user)) return;
    if (tags.event === 'invite') this.#tell('invite', { room: tags.room, title: data.title, by: tags.by });
    if (tags.event === 'message' && this.#rooms.has(tags.room)) return; // it is there to be seen
    this.#tell('rooms');
  }

  #tell(type, detail) { this.dispatchEvent(new CustomEvent(type, { detail })); }
}

// The library's own code for a token that has run out, and nobody to give a new one.
const UNAUTHORIZED = 1;
const SAVED = 'webim.outbox';

/** How many messages a Room keeps, and a page of them. */
export const KEPT = 200, PAGE = 50;

/**
 * A room that is open.
 *
 * Events: 'change' when messages, outbox, typing or marks have; 'gap' when
 * something was missed and the room was loaded anew; 'members'; 'settings'; 'left'
 * with detail {code, reason} when one is not in the room any more.
 */
export class Room extends EventTarget {
  /** the messages that are kept, oldest first; at most KEPT, and always in one piece */
  messages = [];
  /** whether older ones than messages[0] exist, and whether the newest are kept */
  more = false;
  atEnd = true;
  /** who is about to say something: user → name */
  typing = new Map();
  /** of others: user → {read, delivered} */
  marks = new Map();
  loaded = false;
  error = null;
  #chat; #client; #sub; #forget; #outbox; #fold = new Fold(); #quoted = new Fold(); #asked = new Set(); #typed = 0; #timers = new Map(); #read = 0; #closed = false; #early = [];

  constructor(chat, client, name, outbox, forget) {
    super();
    this.name = name;
    this.#chat = chat;
    this.#client = client;
    this.#outbox = outbox;
    this.#forget = forget;
    outbox.waits = (m) => this.atEnd && !this.#fold.has(m.offset);
    outbox.addEventListener('change', this.#sent);
    this.#sub = client.newSubscription(name, { joinLeave: true, recoverable: true });
    this.#sub
      .on('publication', (p) => this.#publication(p))
      .on('join', () => this.#tell('members'))
      .on('leave', () => this.#tell('members'))
      .on('error', (e) => { this.error = asError(e.error); this.#tell('change'); })
      .on('unsubscribed', (c) => { if (!this.#closed && c.code !== 0) { this.error = asError(c); this.#tell('left', { code: c.code, reason: c.reason }); } })
      .on('subscribed', (c) => this.#subscribed(c));
    this.#sub.subscribe();
  }

  /** Leaves the room on this connection; it stays in the list. */
  close() {
    this.#closed = true;
    this.#outbox.removeEventListener('change', this.#sent);
    this.#outbox.waits = () => false;
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#sub.unsubscribe();
    this.#client.removeSubscription(this.#sub);
    this.#forget();
  }

  call(method, data = {}) { return this.#chat.call(method, { room: this.name, ...data }); }
  info() { return this.call('room.info'); }
  members() { return this.call('members'); }
  set(settings) { return this.call('room.set', settings); }
  edit(offset, text) { return this.call('edit', { offset, data: { text } }); }
  remove(offset) { return this.call('delete', { offset }); }
  react(offset, emoji, remove = false) { return this.call('react', { offset, emoji, remove }); }

  /** One's own that are on their way: {id, text, reply, time, state: 'sending'|'sent'|'failed', error}. */
  get outbox() { return this.#outbox.all; }

  /** Says something: it stands in outbox until it has its place, also when the room is closed meanwhile. Never rejects. */
  send(text, reply) {
    this.#typed = 0; // what is written next is news
    this.#outbox.add(text, reply);
  }
  retry(id) { this.#outbox.retry(id); }
  discard(id) { this.#outbox.discard(id); }
  #sent = () => this.#tell('change');

  /** Tells the others that one writes, at most every three seconds. */
  type() {
    const now = Date.now();
    if (now - this.#typed < 3000 || this.#chat.state !== 'connected') return;
    this.#typed = now;
    this.call('typing').catch(() => {});
  }

  /** Notes that all up to an offset was read. */
  read(offset) {
    if (offset <= this.#read || !this.#chat.user) return;
    this.#read = offset;
    this.call('mark', { read: offset }).catch(() => { this.#read = 0; });
  }

  /** 'sent' | 'delivered' | 'read': how far a message of one's own has come. */
  progress(offset) {
    let best = 'sent';
    for (const [user, m] of this.marks) {
      if (user === this.#chat.user) continue;
      if (m.read >= offset) return 'read';
      if (m.delivered >= offset) best = 'delivered';
    }
    return best;
  }

  /** Loads the page before what is kept; resolves to whether there was one. */
  async older() {
    if (!this.more || !this.messages.length) return false;
    const page = await this.call('messages', { before: this.messages[0].offset, limit: PAGE });
    this.#fold.before(page.messages);
    this.more = page.more;
    if (this.#fold.size > KEPT) {
      this.#fold.keepFirst(KEPT);
      this.atEnd = false;
    }
    this.#show();
    return true;
  }

  /** Loads the page behind it, where that is not the end. */
  async newer() {
    if (this.atEnd || !this.messages.length) return false;
    const page = await this.call('messages', { after: this.messages.at(-1).offset, limit: PAGE });
    this.#fold.after(page.messages);
    this.atEnd = !page.more;
    if (this.#fold.size > KEPT) {
      this.#fold.keepLast(KEPT);
      this.more = true;
    }
    this.#show();
    return true;
  }

  /** Loads the newest ones instead of what is kept. */
  async newest() {
    const page = await this.call('messages', { limit: PAGE });
    const early = this.#early;
    this.#early = [];
    this.#fold = new Fold(page.messages);
    this.more = page.more;
    this.atEnd = this.loaded = true;
    this.error = null;
    for (const p of early) if (p.offset > page.offset) this.#fold.apply({ ...p, time: Date.now() });
    await this.#loadMarks();
    this.#outbox.settle();
    this.#show();
  }

  async #loadMarks() {
    const { marks } = await this.call('marks').catch(() => ({ marks: [] }));
    for (const { user, read, delivered } of marks) this.marks.set(user, { read, delivered });
  }

  async #subscribed(c) {
    const gap = c.wasRecovering && !c.recovered;
    if (this.loaded && !gap) { // what was missed comes as publications, in which the library leaves out the time
      if (c.wasRecovering && this.atEnd && this.messages.length) this.#again(this.messages.at(-1).offset);
      return;
    }
    try {
      await this.newest();
      if (gap) this.#tell('gap');
    } catch (e) {
      this.error = e;
      this.#tell('change');
    }
    this.#tell('members');
  }

  async #again(offset) {
    const page = await this.call('messages', { after: offset, limit: KEPT }).catch(() => ({ messages: [] }));
    this.#fold.after(page.messages.filter((m) => this.#fold.has(m.offset)));
    this.#show();
  }

  #publication(p) {
    const { tags = {}, info } = p;
    switch (tags.event) {
      case 'typing': return this.#types(info);
      case 'mark':
        if (info) this.marks.set(info.user, { read: +tags.read, delivered: +tags.delivered });
        return this.#tell('change');
      case 'join': case 'leave': return this.#tell('members');
      case 'room': return this.#tell('settings', p.data);
      case 'kick': case 'ban': case 'unban': case 'mute': case 'unmute': return this.#tell('settings');
    }
    if (!this.loaded) return void this.#early.push(p);
    if (info) this.#stopTyping(info.user);
    if (!tags.event && !this.atEnd) return this.#tell('change'); // it comes with newer()
    p = { ...p, time: Date.now() };
    this.#fold.apply(p);
    if (tags.event) this.#quoted.apply(p);
    if (this.#fold.size > KEPT) {
      this.#fold.keepLast(KEPT);
      this.more = true;
    }
    if (tags.id && info?.user === this.#chat.user) this.#outbox.discard(tags.id);
    if (!tags.event && info?.user !== this.#chat.user && globalThis.document?.hidden && this.#chat.user)
      this.call('mark', { delivered: p.offset }).catch(() => {});
    this.#show();
  }

  #types(info) {
    if (!info || info.user === this.#chat.user && info.user) return;
    const key = info.user || info.client;
    this.typing.set(key, nameOf(info));
    clearTimeout(this.#timers.get(key));
    this.#timers.set(key, setTimeout(() => this.#stopTyping(key), 5000));
    this.#tell('change');
  }

  #stopTyping(key) {
    clearTimeout(this.#timers.get(key));
    this.#timers.delete(key);
    if (this.typing.delete(key)) this.#tell('change');
  }

  #show() {
    this.messages = this.#fold.list();
    this.#tell('change');
    this.#quote();
  }

  /** A message that another one answers; undefined: it is forgotten, or not here yet. */
  quoted(offset) { return this.#fold.get(offset) ?? this.#quoted.get(offset); }

  // Gets what is answered and not among the messages.
  async #quote() {
    const missing = [...new Set(this.messages.map((m) => m.reply).filter((at) => at && !this.#asked.has(at) && !this.#fold.has(at)))];
    if (!missing.length) return;
    for (const at of missing) this.#asked.add(at);
    try {
      const { messages } = await this.call('messages', { offsets: missing });
      this.#quoted.after(messages);
      if (messages.length) this.#tell('change');
    } catch {
      for (const at of missing) this.#asked.delete(at);
    }
  }

  #tell(type, detail) { if (!this.#closed) this.dispatchEvent(new CustomEvent(type, { detail })); }
}

/** What to call an author: the name that the token brought, else the user's id. */
export function nameOf(info) { return givenName(info) || info?.user || ''; }

/** The name that an author's token brought; '' for none. */
export function givenName(info) {
  const name = info?.conn_info?.name ?? info?.connInfo?.name;
  return typeof name === 'string' ? name : '';
}

const escape = (user) => user.replaceAll('%', '%25').replaceAll(',', '%2C').replaceAll('#', '%23');
const unescape = (part) => part.replaceAll('%23', '#').replaceAll('%2C', ',').replaceAll('%25', '%');

/** The name of a user's own room. */
export const personalRoom = (user) => '#' + escape(user);

/** Of a room between two: the other one. */
export function otherOf(room, user) {
  if (!room.startsWith('#')) return '';
  return room.slice(1).split(',').map(unescape).find((one) => one !== user) ?? '';
}

function ownURL() {
  return location.origin.replace(/^http/, 'ws') + '/connection/websocket';
}

// The user that a token says: only to show it, the server judges.
function userOf(token) {
  try {
    const body = token.split('.')[1].replaceAll('-', '+').replaceAll('_', '/');
    return JSON.parse(new TextDecoder().decode(Uint8Array.from(atob(body), (c) => c.charCodeAt(0)))).sub ?? '';
  } catch {
    return '';
  }
}
