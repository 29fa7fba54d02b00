// The user's identity: stored for all tabs of the browser, and requested again when it has expired.

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

/** Whether an application embeds this page and provides the tokens. */
export const embedded = () => typeof globalThis.webimToken === 'function' || Boolean(address());

const address = () => document.querySelector('meta[name=webim-token]')?.content;

/**
 * Gets a token of the application that embeds this page; '' if nobody is signed in
 * there. The application answers in one of two ways:
 *  - a script of the application defines globalThis.webimToken, a function that
 *    returns a token or a promise of one, or '';
 *  - its copy of index.html has <meta name="webim-token" content="ADDRESS">: the page
 *    gets a token as text from that address, with the cookies of this origin. No text,
 *    and a status of 400 to 499 but 408 and 429, mean that nobody is signed in.
 * Such a page comes in without asking, keeps no token, and leaves it to the application
 * to sign out. A rejection, any other status and a lost network are temporary: the page
 * asks again, later and later.
 */
export async function fromApplication() {
  if (typeof globalThis.webimToken === 'function') return string(await globalThis.webimToken()).trim();
  if (!address()) return '';
  const answer = await fetch(new URL(address(), document.baseURI), { credentials: 'same-origin', cache: 'no-store' });
  if (answer.ok) return (await answer.text()).trim();
  if (answer.status >= 400 && answer.status < 500 && answer.status !== 408 && answer.status !== 429) return '';
  throw new Error(`${address()}: ${answer.status}`);
}

let pending; // the pending answer

/**
 * Gets a token when the old one is not accepted any more: of the application, or else
 * of the reader; '' for none. It rejects if the application cannot tell now.
 */
export function newToken() {
  pending ??= fromApplication().then((token) => token || fromReader()).finally(() => { pending = undefined; });
  return pending;
}

async function fromReader() {
  const values = await ask(t('tokenExpired'), [{ name: 'token', label: t('token'), required: true, maxlength: 16_384, bytes: 16_384 }]);
  return values?.token ?? '';
}
