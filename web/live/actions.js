// The actions on a user or a connection. They use the server API, with the key of the watcher.

import { isToken } from './feed.js';
import { t } from './lang.js';

const $ = (id) => document.getElementById(id);

// Each action has its target ("" if there is none) and its request to the API.
const ACTIONS = [
  { method: 'disconnect', target: (c) => c.client, body: (c) => ({ client: c.client }) },
  { method: 'kick', target: (c) => c.user, body: (c) => ({ user: c.user }) },
  { method: 'ban', target: (c) => c.user || c.ip,
    body: (c, seconds, reason) => ({ ...(c.user ? { user: c.user } : { ip: c.ip }), seconds, reason }) },
];

export class Actions {
  #key = ''; #methods = []; #tell;

  // tell is called with the result of an action: a text, and whether it failed.
  constructor(tell) {
    this.#tell = tell;
    $('ask-no').addEventListener('click', () => $('ask').close('no'));
  }

  // use sets the key for the API and the available methods.
  use(key, methods) {
    this.#key = key;
    this.#methods = methods;
  }

  // buttons makes the buttons for one connection.
  buttons(connection) {
    const group = document.createElement('div');
    group.className = 'actions';
    for (const action of ACTIONS) {
      const target = action.target(connection);
      if (!target || !this.#methods.includes(action.method)) continue;
      const button = document.createElement('button');
      button.type = 'button';
      button.className = 'quiet';
      button.dataset.action = action.method;
      button.textContent = t(action.method);
      button.setAttribute('aria-label', t('toWhom', { action: t(action.method), target }));
      button.addEventListener('click', () => this.#ask(action, connection, target));
      group.append(button);
    }
    if (!group.hasChildNodes()) group.textContent = this.#methods.length ? '–' : t('elsewhere');
    return group;
  }

  // ask opens a dialog that asks the user to confirm the action, and then restores the focus.
  #ask(action, connection, target) {
    const dialog = $('ask');
    $('ask-h').textContent = t('ask_' + action.method, { target });
    $('ask-what').textContent = t(action.method === 'ban' && !connection.user ? 'what_banAddress' : 'what_' + action.method);
    $('ask-ban').hidden = action.method !== 'ban';
    $('ask-yes').textContent = t(action.method);
    $('ask-reason').value = '';
    dialog.returnValue = 'no';
    dialog.onclose = () => {
      if (dialog.returnValue !== 'yes') return;
      this.#do(action, target, action.body(connection, Number($('ask-for').value), $('ask-reason').value.trim()));
    };
    dialog.showModal();
  }

  async #do(action, target, body) {
    const said = { action: t(action.method), target };
    try {
      const answer = await fetch(new URL('../api/' + action.method, import.meta.url), {
        method: 'POST',
        headers: { 'Content-Type': 'application/json', ...this.#credentials() },
        body: JSON.stringify(body),
      });
      const { error } = await answer.json();
      if (error) this.#tell(t('failed', { ...said, why: error.message }), true);
      else this.#tell(t('done', said), false);
    } catch {
      this.#tell(t('failed', { ...said, why: t('noAnswer') }), true);
    }
  }

  #credentials() {
    return isToken(this.#key) ? { Authorization: 'Bearer ' + this.#key } : { 'X-API-Key': this.#key };
  }
}
