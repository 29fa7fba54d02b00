// Who one is: kept for all tabs of the browser, and asked for again when it has expired.

import { t } from './i18n.js';
import { ask } from './menu.js';
import { local } from './storage.js';

const KEY = 'webim.identity';
const string = (value) => (typeof value === 'string' ? value : '');

export function get() {
  const { token, name } = local.object(KEY);
  return { token: string(token), name: string(name) };
}

export const set = ({ token, name }) => local.setItem(KEY, JSON.stringify({ token, name }));
export const clear = () => local.removeItem(KEY);

/** Calls f when another tab has signed out. */
export function onSignOut(f) {
  addEventListener('storage', (e) => { if (e.key === null || e.key === KEY && e.newValue === null) f(); });
}

let pending; // the answer that is waited for

/**
 * Gets a token when the old one is not accepted any more; resolves to '' for none.
 * An application that embeds this page answers in one of two ways, else the reader is
 * asked:
 *  - a script of the application defines globalThis.webimToken, a function that
 *    returns a token or a promise of one;
 *  - its copy of index.html has <meta name="webim-token" content="ADDRESS">: the page
 *    gets a token as text from that address, with the cookies of this origin.
 */
export function newToken() {
  pending ??= fromApplication().catch(() => '').then((token) => token || fromReader()).finally(() => { pending = undefined; });
  return pending;
}

async function fromApplication() {
  if (typeof globalThis.webimToken === 'function') return string(await globalThis.webimToken()).trim();
  const address = document.querySelector('meta[name=webim-token]')?.content;
  if (!address) return '';
  const answer = await fetch(new URL(address, document.baseURI), { credentials: 'same-origin', cache: 'no-store' });
  return answer.ok ? (await answer.text()).trim() : '';
}

async function fromReader() {
  const values = await ask(t('tokenExpired'), [{ name: 'token', label: t('token'), required: true, maxlength: 16_384 }]);
  return values?.token ?? '';
}
