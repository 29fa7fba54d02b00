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
  #rooms = new Map(); // open ones, by name

  /**
   * @param {object} o
   * @param {string} [o.url] of the server; default: the page's own
   * @param {string} [o.token] who one is
   * @param {string} [o.guest] else, or when the token is good no more, the name of a guest
   * @param {() => Promise<string>} [o.getToken] a new token, when the old one has run out
   */
  constructor({ url = ownURL(), token = '', guest = '', getToken } = {}) {
    super();
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
    return this.#client.ready().catch((e) => { throw asError(this.reason ?? e); });
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

  /** Resolves when there is a connection. */
  ready() { return this.#client.ready().catch((e) => { throw asError(e); }); }

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
    const room = new Room(this, this.#client, name, () => this.#rooms.delete(name));
    this.#rooms.set(name, room);
    return room;
  }

  #connected(c) {
    if (c.data?.token) {
      this.token = c.data.token;
      this.user = c.data.user;
      this.#client.setToken(this.token);
    }
    this.#become('connected');
    this.#tell('rooms');
  }

  #ended({ code, reason }) {
    if (code === 3500 && this.token && this.#guest) { // a guest whom the server knows no more comes in as a new one
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
  /** one's own that are on their way: {id, text, reply, state: 'sending'|'failed', error} */
  outbox = [];
  /** whether older ones than messages[0] exist, and whether the newest are kept */
  more = false;
  atEnd = true;
  /** who is about to say something: user → name */
  typing = new Map();
  /** of others: user → {read, delivered} */
  marks = new Map();
  loaded = false;
  error = null;
  #chat; #client; #sub; #forget; #fold = new Fold(); #sending = false; #typed = 0; #timers = new Map(); #read = 0; #closed = false; #early = [];

  constructor(chat, client, name, forget) {
    super();
    this.name = name;
    this.#chat = chat;
    this.#client = client;
    this.#forget = forget;
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

  /** Says something: it stands in outbox until it has its place. Never rejects. */
  send(text, reply) {
    this.outbox.push({ id: crypto.randomUUID(), text, reply, time: Date.now(), state: 'sending' });
    this.#tell('change');
    this.#flush();
  }

  /** Tries a failed one again; the same id makes sure that it is not said twice. */
  retry(id) {
    const one = this.outbox.find((m) => m.id === id);
    if (!one) return;
    one.state = 'sending';
    this.#tell('change');
    this.#flush();
  }

  discard(id) {
    this.outbox = this.outbox.filter((m) => m.id !== id);
    this.#tell('change');
  }

  // In order, one at a time, for as long as it takes.
  async #flush() {
    if (this.#sending) return;
    this.#sending = true;
    for (let one; (one = this.outbox.find((m) => m.state === 'sending')) && !this.#closed;) {
      try {
        await this.#chat.ready();
        const place = await this.call('send', { id: one.id, data: { text: one.text }, ...(one.reply && { reply: one.reply }) });
        one.offset = place.offset;
        one.state = 'sent';
        this.#settle();
      } catch (e) {
        if (this.#chat.state === 'ended' || !e.temporary && e.code) {
          one.state = 'failed';
          one.error = e;
        } else {
          await new Promise((done) => setTimeout(done, 1000));
        }
      }
      this.#tell('change');
    }
    this.#sending = false;
  }

  // A sent one goes when the room has it; or when it could not show it anyway.
  #settle() {
    this.outbox = this.outbox.filter((m) => m.state !== 'sent' || this.atEnd && !this.#fold.has(m.offset));
  }

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
    this.#settle();
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
    this.#fold.apply({ ...p, time: Date.now() });
    if (this.#fold.size > KEPT) {
      this.#fold.keepLast(KEPT);
      this.more = true;
    }
    this.outbox = this.outbox.filter((m) => m.id !== tags.id || info?.user !== this.#chat.user);
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
  }

  #tell(type, detail) { if (!this.#closed) this.dispatchEvent(new CustomEvent(type, { detail })); }
}

/** What to call an author: the name that the token brought, else the user's id. */
export function nameOf(info) {
  if (!info) return '';
  const name = info.conn_info?.name ?? info.connInfo?.name;
  return typeof name === 'string' && name ? name : info.user || '';
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
