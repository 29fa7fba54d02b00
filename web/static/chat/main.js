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
// chat.d.ts, beside this file, has the types of all exports. webim's package room/chat documents
// the calls and events. By default chat.js connects to the server that it was imported from: to
// connection/websocket beside it.
//
// Nothing here touches the document. Every rejected promise has a ChatError with a code of the
// protocol or of webim. Times are those of the server's clock.
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
 * of rooms or the unread counts have; 'invite' with detail {room, title, by}.
 */
export class Chat extends EventTarget {
  /** 'connecting' | 'connected' | 'waiting' (for the next try) | 'ended' (for good) */
  state = 'connecting';
  /** why the connection ended, or was lost, until it is there again: {code, reason} */
  reason = null;
  /** of 'waiting': the time of the next try, in milliseconds since 1970 */
  retryAt = 0;
  /** the user's id; '' until it is known */
  user = '';
  /** the client id of the connection, a new one after each connect; '' until it is known */
  client = '';
  /** the token with which a guest keeps its identity; the page may store it */
  token = '';
  /** the name from the token, if known */
  name = '';
  #client;
  #guest = '';
  #former = ''; // the id of the guest that the server no longer accepted; the guest is a new user now
  #storage;
  #rooms = new Map(); // open ones, by name
  #outboxes = new Map(); // by room, open or not, once the user has sent something there
  #restored = false;
  #clock = { server: Date.now(), here: performance.now() };

  /**
   * @param {object} o
   * @param {string} [o.url] of the server; default: connection/websocket beside this file
   * @param {string} [o.token] the user's token
   * @param {string} [o.guest] without a token, or when the server no longer accepts it: the name of a guest
   * @param {() => Promise<string>} [o.getToken] is called for a token if there is none, or if it
   *   has expired. If it resolves to '', the connection ends with reason.code 1; if it rejects, it is
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
      .on('connecting', (c) => { if (c.code > 0) this.reason = { code: c.code, reason: c.reason }; this.#become('connecting'); })
      .on('disconnected', (c) => this.#ended(c))
      .on('publication', (p) => this.#personal(p));
    // The library does not announce its next try; it decides here.
    const delayOf = this.#client._getReconnectDelay.bind(this.#client);
    this.#client._getReconnectDelay = () => {
      const delay = delayOf();
      this.#become('waiting', Date.now() + delay);
      return delay;
    };
  }

  /** Connects; resolves at the first success, rejects if the connection has ended for good. */
  connect() {
    this.#client.connect();
    return this.ready();
  }

  /** Tries again at once instead of waiting; also after an end. */
  retry() {
    this.reason = null;
    this.#client.disconnect();
    this.#client.connect();
  }

  /** Connects with another token, after an end. */
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

  /** Ends the connection and deletes unsent messages, for a sign-out. */
  forget() {
    Outbox.save(this.#storage, this.user, []);
    this.#storage = undefined;
    this.disconnect();
  }

  /** Calls a method of webim by its name. */
  async call(method, data = {}) {
    try {
      const result = (await this.#client.rpc(method, data)).data;
      if (result?.now) this.#clock = { server: result.now, here: performance.now() };
      return result;
    } catch (e) {
      throw asError(e);
    }
  }

  /** Resolves when there is a connection, rejects if there will be none. */
  async ready() {
    for (;;) {
      try {
        return await this.#client.ready();
      } catch (e) {
        if (this.state === 'ended') throw asError(this.reason ?? e);
        await new Promise((done) => setTimeout(done)); // the connection starts anew
      }
    }
  }

  /** The rooms in the user's list: {room, kind, title, unread, read, last, role}. */
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
  /** Without a room: on the whole server. options: {seconds, reason}. */
  kick(room, user) { return this.call('kick', { room, user }); }
  ban(room, user, options) { return this.call('ban', { room, user, ...options }); }
  unban(room, user) { return this.call('unban', { room, user }); }
  mute(room, user, options) { return this.call('mute', { room, user, ...options }); }
  unmute(room, user) { return this.call('unmute', { room, user }); }
  sanctions(room) { return this.call('sanctions', { room }); }

  /** Opens a room: subscribes, and loads the newest messages. Close it when the user turns to another room. */
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

  #save() { Outbox.save(this.#storage, this.user, this.#outboxes); }

  // The messages that the previous page in this tab could not send.
  #restore() {
    if (this.#restored) return;
    this.#restored = true;
    for (const [room, all] of Outbox.saved(this.#storage, [this.user, this.#former])) this.#outbox(room).restore(all);
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
    this.reason = null;
    this.#become('connected');
    this.#restore();
    this.#tell('rooms');
  }

  #ended({ code, reason }) {
    if ((code === 3500 || code === UNAUTHORIZED) && this.token && this.#guest) { // the server no longer accepts this guest: connect as a new one
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

  // Handles the publications in the user's own room.
  #personal({ channel, tags = {}, data }) {
    if (channel !== personalRoom(this.user)) return;
    if (tags.event === 'invite') this.#tell('invite', { room: tags.room, title: data.title, by: tags.by });
    if (tags.event === 'message' && this.#rooms.has(tags.room)) return; // the open room shows it
    // Confirm the delivery of a direct message, regardless of the open room.
    if (tags.event === 'message' && otherOf(tags.room, this.user)) this.call('mark', { room: tags.room, delivered: +tags.offset }).catch(() => {});
    this.#tell('rooms');
  }

  #tell(type, detail) { this.dispatchEvent(new CustomEvent(type, { detail })); }
}

// The library's own code for an expired token without a function that gets a new one.
const UNAUTHORIZED = 1;

function ownURL() {
  const url = new URL('connection/websocket', import.meta.url);
  url.protocol = url.protocol.replace('http', 'ws');
  return url.href;
}

// The claims of a token, only for display: the server verifies them.
function claimsOf(token) {
  try {
    const body = token.split('.')[1].replaceAll('-', '+').replaceAll('_', '/');
    return JSON.parse(new TextDecoder().decode(Uint8Array.from(atob(body), (c) => c.charCodeAt(0)))) ?? {};
  } catch {
    return {};
  }
}
