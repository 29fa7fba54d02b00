// chat.js: a client of webim for any page, in one file without dependencies. Import it
// from the server, also from a page of another origin (which the server has to allow
// with --allow-origin), or copy it:
//
//   import { Chat, nameOf } from 'https://chat.example.com/chat.js';
//
//   const chat = new Chat({ guest: 'Ann' });          // or { token, getToken }
//   chat.addEventListener('state', () => …chat.state…);
//   await chat.connect();
//   const room = chat.open('lobby');
//   room.addEventListener('change', () => …room.messages, room.outbox…);
//   room.send('hello');
//   room.close();
//
// chat.d.ts, beside this file, has the types of all that is exported. The calls and
// events below it are those that webim's package room/chat documents. By default it
// connects to the server that it was imported from: to connection/websocket beside it.
//
// Nothing here touches the document. Each promise that fails does so with a ChatError,
// whose code is the protocol's or webim's. Times are the server's.
//
// The part between the next lines and the first class is the npm package "centrifuge"
// 5.8.0, Copyright Centrifugal Labs, under the MIT licence, which is beside it in
// vendor/centrifuge-5.8.0/LICENSE.

import { asError } from './errors.js';
import { isGuest, nameOf, otherOf, personalRoom, roomName } from './names.js';
import { Outbox } from './outbox.js';
import { Room } from './room.js';

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
  /** the client id of the connection, another one after each connect; '' until it is known */
  client = '';
  /** the token with which a guest is the same guest again; the page may keep it */
  token = '';
  /** the name that the token brings, if it is known */
  name = '';
  #client;
  #guest = '';
  #former = ''; // the guest whom the server knew no more, and who is another user now
  #storage;
  #rooms = new Map(); // open ones, by name
  #outboxes = new Map(); // of rooms that something was said in, open or not
  #restored = false;
  #clock = { server: Date.now(), here: performance.now() };

  /**
   * @param {object} o
   * @param {string} [o.url] of the server; default: connection/websocket beside this file
   * @param {string} [o.token] the user's token
   * @param {string} [o.guest] without a token, or when the server no longer accepts it: the name of a guest
   * @param {() => Promise<string>} [o.getToken] gets a token where there is none, and another one when
   *   it has expired. If it resolves to '', the connection ends with reason.code 1; if it rejects, it is
   *   called again after a while
   * @param {Storage} [o.storage] keeps unsent messages while the page is reloaded, as sessionStorage
   */
  constructor({ url = ownURL(), token = '', guest = '', getToken, storage } = {}) {
    super();
    this.#storage = storage;
    this.token = token;
    this.#guest = guest;
    this.#know(token);
    this.#client = new Centrifuge(url, {
      ...(token && { token }), ...(getToken && !guest && !isGuest(this.user) && { getToken: () => this.#renew(getToken) }), ...(!token && guest && { data: { guest } }),
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

  /** Comes in with another token, after an end. */
  use(token) {
    this.token = token;
    this.#know(token);
    this.#client.setToken(token);
    this.retry();
  }

  /** The server's time, in milliseconds since 1970: this device's clock may be wrong. */
  now() { return this.#clock.server + performance.now() - this.#clock.here; }

  /** Ends the connection. */
  disconnect() { this.#client.disconnect(); }

  /** Ends the connection, and forgets what is unsent, as when the user signs out. */
  forget() {
    try {
      this.#storage?.removeItem(SAVED);
    } catch { /* blocked */ }
    this.#storage = undefined;
    this.disconnect();
  }

  /** Makes a call of webim's, by its name. */
  async call(method, data = {}) {
    try {
      const result = (await this.#client.rpc(method, data)).data;
      if (result?.now) this.#clock = { server: result.now, here: performance.now() };
      return result;
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
    name = roomName(name);
    const old = this.#rooms.get(name);
    if (old) return old;
    const room = new Room(this, this.#client, name, this.#outbox(name), () => this.#rooms.delete(name));
    this.#rooms.set(name, room);
    return room;
  }

  #outbox(room) {
    let box = this.#outboxes.get(room);
    if (!box) {
      box = new Outbox((m) => this.#deliver(room, m), () => this.now());
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
    const rooms = [...this.#outboxes].map(([room, box]) => [room, box.unsent()]).filter(([, all]) => all.length);
    try {
      if (rooms.length) this.#storage?.setItem(SAVED, JSON.stringify({ user: this.user, rooms }));
      else this.#storage?.removeItem(SAVED);
    } catch { /* blocked, or full: what is unsent lasts as long as the page */ }
  }

  // What the page before this one, in the same tab, could not send.
  #restore() {
    if (this.#restored) return;
    this.#restored = true;
    for (const [room, all] of saved(this.#storage, [this.user, this.#former])) this.#outbox(room).restore(all);
  }

  #know(token) {
    const claims = claimsOf(token);
    this.user = typeof claims.sub === 'string' ? claims.sub : '';
    this.name = nameOf({ conn_info: claims.info });
  }

  async #renew(getToken) {
    const token = await getToken();
    if (!token) throw new Centrifuge.UnauthorizedError('');
    this.token = token;
    this.#know(token);
    return token;
  }

  #connected(c) {
    this.client = c.client;
    if (c.data?.token) {
      this.token = c.data.token;
      this.user = c.data.user;
      this.name = nameOf({ conn_info: claimsOf(this.token).info });
      this.#client.setToken(this.token);
    }
    this.#become('connected');
    this.#restore();
    this.#tell('rooms');
  }

  #ended({ code, reason }) {
    if ((code === 3500 || code === UNAUTHORIZED) && this.token && this.#guest) { // a guest whom the server knows no more comes in as a new one
      this.#former ||= this.user;
      this.token = this.user = this.name = '';
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
    // Who writes to one alone is told that it has come, whatever one looks at.
    if (tags.event === 'message' && otherOf(tags.room, this.user)) this.call('mark', { room: tags.room, delivered: +tags.offset }).catch(() => {});
    this.#tell('rooms');
  }

  #tell(type, detail) { this.dispatchEvent(new CustomEvent(type, { detail })); }
}

// The library's own code for a token that has run out, and nobody to give a new one.
const UNAUTHORIZED = 1;
const SAVED = 'webim.outbox';

function ownURL() {
  const url = new URL('connection/websocket', import.meta.url);
  url.protocol = url.protocol.replace('http', 'ws');
  return url.href;
}

// What storage has of the unsent messages of one of the users: [[room, messages]].
// Anybody can have written anything there.
function saved(storage, users) {
  let all;
  try {
    all = JSON.parse(storage?.getItem(SAVED) ?? 'null');
    storage?.removeItem(SAVED);
  } catch { /* blocked, or no JSON */ }
  if (!all?.user || !users.includes(all.user) || !Array.isArray(all.rooms)) return [];
  return all.rooms.filter((one) => Array.isArray(one) && typeof one[0] === 'string' && Array.isArray(one[1]));
}

// What a token claims: only to show it, the server judges.
function claimsOf(token) {
  try {
    const body = token.split('.')[1].replaceAll('-', '+').replaceAll('_', '/');
    return JSON.parse(new TextDecoder().decode(Uint8Array.from(atob(body), (c) => c.charCodeAt(0)))) ?? {};
  } catch {
    return {};
  }
}
