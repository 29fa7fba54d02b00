// The members of the room.

import { $, el, reconcile } from './dom.js';
import { t } from './i18n.js';
import { givenName } from './chat.js';
import { picture } from './picture.js';
import { refresher } from './refresher.js';
import { who } from './who.js';

export class MemberList {
  #room; #more = false; #here; #menu; #nodes = new Map(); #learn; #nameOf;
  all = [];

  /** menu(member, button) opens the menu of a member; learn(info) is called with names, nameOf(user) returns them. */
  constructor({ menu, learn, nameOf }) {
    this.#nameOf = nameOf;
    this.#menu = menu;
    this.#learn = learn;
  }

  show(room) {
    this.#room = room;
    this.all = [];
    this.forget();
    this.refresh();
  }

  forget() {
    this.#nodes.clear();
    $('member-list').replaceChildren();
    this.#render();
  }

  /** Requests the list again soon. */
  refresh = refresher(() => this.#load(), 200);

  // Rejects if the list is not permitted here.
  async #load() {
    const room = this.#room;
    const { members, more, here } = await room.members();
    if (room !== this.#room) return;
    this.all = members;
    this.#more = more;
    this.#here = here;
    for (const m of members) this.#learn({ user: m.user, conn_info: m.info });
    this.#render();
  }

  #render() {
    const n = this.#here ?? this.all.filter((m) => m.online).length; // the server also counts members that it does not name
    $('subheading').textContent = n ? t('people', { n: `${n}${this.#here === undefined && this.#more ? '+' : ''}` }) : '';
    const name = (m) => givenName({ conn_info: m.info }) || (m.user ? this.#nameOf(m.user) : t('anonymous'));
    const all = [...this.all].sort((a, b) => Boolean(b.online) - Boolean(a.online) || name(a).localeCompare(name(b)));
    reconcile($('member-list'), all.map((m) => this.#item(m, name(m))));
  }

  #item(m, name) {
    const look = JSON.stringify([name, m.online, m.role]);
    const old = this.#nodes.get(m.user);
    if (old?.look === look) return old.node;
    const node = el('li', {},
      el('button', { type: 'button', 'aria-haspopup': 'menu', disabled: !m.user, onclick: (e) => this.#menu(m, name, e.currentTarget) },
        picture(m.user, name, m.online !== undefined && el('span', { class: `dot ${m.online ? 'online' : ''}` })),
        el('span', { class: 'named' }, ...who(m.user, name, `title ${m.online === false ? 'away' : ''}`)),
        m.online !== undefined && el('span', { class: 'hidden' }, m.online ? t('online') : t('away')),
        m.role === 'owner' && el('span', { class: 'role' }, t('owner'))));
    this.#nodes.set(m.user, { look, node });
    return node;
  }
}
