// The feed's socket: it authenticates the watcher, and reconnects after a failure. The messages
// are documented in room/live/doc.go.

const REFUSED = { 4401: 'denied', 4403: 'ended' }; // reconnecting would not help
const FULL = 4429; // reconnect, and show the reason for waiting
const FIRST_WAIT = 1; // seconds
const LONGEST_WAIT = 15;
const PATIENCE = 10_000; // milliseconds without figures after which the socket counts as dead

// isToken tells a token from a key, which may contain dots as well: the first part of a token
// is a JSON object in base64url.
export const isToken = (key) => /^eyJ[\w-]*\.[\w-]+\.[\w-]+$/.test(key);

export class Feed {
  #url; #key; #on; #socket = null; #timer = 0; #silence = 0; #wait = FIRST_WAIT; #every = 1000; #closed = false;

  // on has a function for each event: connecting(), waiting(seconds, full),
  // hello(h), past(figures), now(message), nodes(counts), found(answer), refused(reason).
  constructor(url, key, on) {
    this.#url = new URL(url);
    this.#url.protocol = this.#url.protocol.replace('http', 'ws');
    this.#key = key;
    this.#on = on;
    this.#open();
  }

  // find searches for {user}, {client} or {room}; the answer arrives through on.found.
  find(quest) { this.#say({ find: quest }); }

  // trace traces {user} or {room} for some seconds; without them it ends the trace.
  trace(target, seconds) { this.#say({ trace: { ...target, seconds } }); }

  // close closes the feed; afterwards no function of on is called.
  close() {
    this.#closed = true;
    clearTimeout(this.#timer);
    clearTimeout(this.#silence);
    this.#socket?.close();
  }

  #say(message) {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(message));
  }

  #open() {
    this.#on.connecting();
    const socket = this.#socket = new WebSocket(this.#url);
    socket.onopen = () => {
      this.#say(isToken(this.#key) ? { token: this.#key } : { key: this.#key });
      this.#listen();
    };
    socket.onmessage = (e) => this.#closed || this.#hear(JSON.parse(e.data));
    socket.onclose = (e) => this.#lost(e.code);
  }

  #hear(m) {
    this.#listen();
    if (m.hello) {
      this.#wait = FIRST_WAIT;
      this.#every = m.hello.every;
      this.#on.hello(m.hello);
    }
    if (m.past) this.#on.past(m.past);
    if (m.now) this.#on.now(m);
    if (m.nodes) this.#on.nodes(m.nodes);
    if (m.found) this.#on.found(m.found);
  }

  // listen detects a socket that has died without a close event.
  #listen() {
    clearTimeout(this.#silence);
    const socket = this.#socket;
    this.#silence = setTimeout(() => {
      if (socket !== this.#socket || this.#closed) return;
      socket.onclose = null;
      socket.close();
      this.#lost(1006);
    }, PATIENCE + 3 * this.#every);
  }

  #lost(code) {
    clearTimeout(this.#silence);
    if (this.#closed) return;
    if (REFUSED[code]) {
      this.#closed = true;
      this.#on.refused(REFUSED[code]);
      return;
    }
    this.#countdown(Math.ceil(this.#wait * (0.5 + Math.random() / 2)), code === FULL);
    this.#wait = Math.min(2 * this.#wait, LONGEST_WAIT);
  }

  #countdown(seconds, full) {
    if (seconds <= 0) return this.#open();
    this.#on.waiting(seconds, full);
    this.#timer = setTimeout(() => this.#countdown(seconds - 1, full), 1000);
  }
}
