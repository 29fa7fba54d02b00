// Builds messages from publications, as webim's call "messages" does on the server: edits,
// deletions and reactions follow the message in the room's stream.

/** A piece of a room's messages, in the order of their offsets. */
export class Fold {
  #all = new Map(); // offset → message, oldest first

  constructor(messages = []) {
    this.after(messages);
  }

  get size() { return this.#all.size; }
  get(offset) { return this.#all.get(offset); }
  has(offset) { return this.#all.has(offset); }
  list() { return [...this.#all.values()]; }

  /** Adds a page before all messages. */
  before(messages) { this.#all = new Map([...messages.map((m) => [m.offset, m]), ...this.#all]); }

  /** Adds a page after all messages. */
  after(messages) { for (const m of messages) this.#all.set(m.offset, m); }

  keepFirst(n) { this.#all = new Map([...this.#all].slice(0, n)); }
  keepLast(n) { this.#all = new Map([...this.#all].slice(-n)); }

  /** Applies a publication. If it refers to a message that is not there, nothing happens. */
  apply({ offset, data, info, tags = {}, time }) {
    if (!tags.event) {
      if (!this.#all.has(offset)) this.#all.set(offset, {
        offset, data, time, info: info && { user: info.user, client: info.client, conn_info: info.connInfo },
        id: tags.id, reply: tags.reply ? +tags.reply : undefined, deleted: tags.redacted ? true : undefined,
      });
      return;
    }
    if (tags.event === 'erase') return this.#erase(offset, tags.user);
    const m = this.#all.get(+tags.of);
    if (!m || m.deleted) return;
    // A new object, so that a view can tell that the message has changed.
    const next = { ...m };
    switch (tags.event) {
      case 'edit':
        if (tags.redacted || ownerOf(info) !== ownerOf(m.info)) return;
        Object.assign(next, { data, edited: time });
        break;
      case 'delete':
        Object.assign(next, DELETED);
        break;
      case 'react': case 'unreact':
        next.reactions = reacted(m.reactions ?? [], tags.emoji, info?.user ?? '', tags.event === 'react');
        break;
      default:
        return;
    }
    this.#all.set(m.offset, next);
  }

  /** Deletes the messages and the reactions of a user, up to an offset. */
  #erase(offset, user) {
    for (const m of this.list()) {
      const own = m.info?.user === user && m.offset < offset && !m.deleted;
      const reactions = m.reactions?.filter((r) => r.users.includes(user)).reduce((all, r) => reacted(all, r.emoji, user, false), m.reactions);
      if (own) this.#all.set(m.offset, { ...m, ...DELETED });
      else if (reactions !== m.reactions) this.#all.set(m.offset, { ...m, reactions });
    }
  }
}

const DELETED = { data: {}, deleted: true, edited: undefined, reactions: undefined };

const ownerOf = (info) => info?.user || info?.client;

// Users without a name are only counted.
function reacted(all, emoji, user, on) {
  const old = all.find((r) => r.emoji === emoji) ?? { emoji, users: [], count: 0 };
  if (user && old.users.includes(user) === on) return all;
  const one = { emoji, count: old.count + (on ? 1 : -1), users: on ? [...old.users, ...(user ? [user] : [])] : old.users.filter((u) => u !== user) };
  if (one.count <= 0) return all.filter((r) => r.emoji !== emoji);
  return all.some((r) => r.emoji === emoji) ? all.map((r) => (r.emoji === emoji ? one : r)) : [...all, one];
}
