// The list of the user's rooms, which always includes the lobby.

import { $, el, reconcile, words } from './dom.js';
import { language, t } from './i18n.js';
import { givenName, nameOf, otherOf, plainName } from './chat.js';
import { short, textOf } from './message.js';
import { picture } from './picture.js';
import { refresher } from './refresher.js';
import { who } from './who.js';

const LOBBY = 'lobby';

export class RoomList {
  #chat; #choose; #rendered; #all = []; #current = LOBBY; #nodes = new Map(); #names = new Map(); #titles = new Map(); #looked = false;

  /** choose(room) opens a room; rendered() is called after every change, also of titles. */
  constructor(chat, choose, rendered) {
    this.#chat = chat;
    this.#rendered = rendered;
    this.#choose = choose;
    chat.addEventListener('rooms', () => this.refresh());
  }

  /** The display name of a room. */
  titleOf(room) {
    const one = this.#all.find((r) => r.room === room);
    const other = otherOf(room, this.#chat.user);
    if (other) return this.nameOf(other);
    return one?.title || this.#titles.get(room) || (room === LOBBY ? t('lobby') : room.startsWith('$') ? t('private') : room);
  }

  kindOf(room) { return room.startsWith('#') ? 'direct' : room.startsWith('$') ? 'private' : 'public'; }

  /** The display name of a user, as far as it is known. */
  nameOf(user) { return this.#names.get(user) ?? plainName(user).replace(/^guest:(.{4}).*/s, `${t('guest')} $1`); }

  /** The partners of direct rooms, from the server: [{user, info, online}]. */
  direct() { return this.#all.filter((r) => r.with).map((r) => r.with); }

  /** Whether a room is in the user's list, as the server has it now. */
  async has(room) {
    if (!this.#all.some((r) => r.room === room)) this.#all = await this.#chat.list().catch(() => this.#all);
    return this.#all.some((r) => r.room === room);
  }

  /** Stores the title of a room, which need not be in the list. */
  entitle(room, title) { this.#titles.set(room, title); }

  /** Stores the name of an author. */
  learn(info) {
    const name = givenName(info);
    if (info?.user && name && name !== this.#names.get(info.user)) {
      this.#names.set(info.user, name);
      return true;
    }
  }

  get unread() { return this.#all.reduce((n, r) => n + (r.room === this.#current && !document.hidden ? 0 : r.unread), 0); }

  /** Stores the last message of an open room, because the server sends no notice about it. */
  note(room, last) {
    const one = this.#all.find((r) => r.room === room);
    if (!one || !last || one.last === last) return;
    Object.assign(one, { last, unread: 0 });
    this.render();
  }

  select(room) {
    this.#current = room;
    this.render();
  }

  /** Requests the list again soon. */
  refresh = refresher(() => this.#load(), 150);

  async #load() {
    this.#all = this.#chat.user ? await this.#chat.list() : [];
    for (const r of this.#all) {
      this.learn(r.last?.info);
      if (r.with) this.learn({ user: r.with.user, conn_info: r.with.info });
    }
    this.render();
    await this.#look();
  }

  /** Searches once among the users of the lobby for users that the list does not name, because they have no part in the room yet. */
  async #look() {
    if (this.#looked || this.#all.every((r) => !r.with || this.#names.has(r.with.user))) return;
    this.#looked = true;
    const { members } = await this.#chat.call('members', { room: LOBBY }).catch((e) => { this.#looked = !e.temporary; throw e; });
    if (members.filter((m) => this.learn({ user: m.user, conn_info: m.info })).length) this.render();
  }

  render() {
    const all = [...this.#all];
    for (const name of new Set([LOBBY, this.#current])) if (!all.some((r) => r.room === name)) all.unshift({ room: name, unread: 0 });
    all.sort((a, b) => (b.room === LOBBY) - (a.room === LOBBY) || (b.last?.time ?? 0) - (a.last?.time ?? 0) || a.room.localeCompare(b.room));
    reconcile($('room-list'), all.map((r) => this.#item(r)));
    const n = this.unread;
    document.title = `${n ? `(${n}) ` : ''}${this.titleOf(this.#current)} · webim`;
    this.#rendered();
  }

  #item(r) {
    const title = this.titleOf(r.room), other = otherOf(r.room, this.#chat.user), here = r.room === this.#current;
    const unread = here && !document.hidden ? 0 : r.unread;
    const last = r.last && !r.last.deleted ? t('newMessage', { name: nameOf(r.last.info) || t('anonymous'), text: short(textOf(r.last.data), 40) }) : '';
    const look = JSON.stringify([title, here, unread, last, language()]);
    const old = this.#nodes.get(r.room);
    if (old?.look === look) return old.node;
    const button = old?.button ?? el('button', { type: 'button', onclick: () => this.#choose(r.room) });
    if (here) button.setAttribute('aria-current', 'page');
    else button.removeAttribute('aria-current');
    button.classList.toggle('new', unread > 0);
    button.replaceChildren(
      other ? picture(other, title) : picture.ofRoom(this.kindOf(r.room)),
      el('span', { class: last ? 'named' : 'named alone' }, ...who(other, title, 'title')),
      ...(unread ? [el('span', { class: 'badge', 'aria-label': t('unread', { n: unread }) }, unread > 99 ? '99+' : String(unread))] : []),
      ...(last ? [el('bdi', { class: 'last' }, ...words(last))] : []));
    const node = old?.node ?? el('li', {}, button);
    this.#nodes.set(r.room, { look, node, button });
    return node;
  }
}
