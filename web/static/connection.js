// The state of the connection, as the page shows it.

import { $, say } from './dom.js';
import { errorText, t } from './i18n.js';
import { failed, toast } from './menu.js';

let chat, timer, newToken;
let due; // the time of the next try, by a monotonic clock

/** Watches a chat; askToken() resolves to a token for another try after an end. */
export function watch(of, askToken) {
  chat = of;
  newToken = askToken;
  chat.addEventListener('state', () => {
    due = performance.now() + chat.retryAt - Date.now();
    show();
    tellWhy();
  });
  show();
}

// Says once why the server has closed the connection, if the page connects again by itself. The state tells the rest.
function tellWhy() {
  const key = `lost${chat.reason?.code}`;
  if (chat.state === 'connecting' && t(key) !== key) toast(t(key));
}

/** Stops watching the chat, as before a sign-in. */
export function forget() {
  clearInterval(timer);
  chat = undefined;
  document.body.dataset.state = 'out';
  $('retry').hidden = true;
  say($('state'), '');
}

/** Shows the state; also called after a change of the language. */
export function show() {
  clearInterval(timer);
  if (!chat) return;
  document.body.dataset.state = chat.state;
  $('retry').hidden = chat.state !== 'waiting' && chat.state !== 'ended';
  $('retry').textContent = chat.state !== 'ended' ? t('retry') : needsToken() ? t('enterToken') : t('endedRetry');
  const write = () => say($('state'), text());
  write();
  if (chat.state === 'waiting') timer = setInterval(write, 500);
}

/** The state, as a sentence. */
export function text() {
  switch (chat.state) {
    case 'connected': return t('connected');
    case 'ended': return ended(chat.reason);
    case 'waiting': {
      if (navigator.onLine === false) return t('offline');
      const s = Math.ceil((due - performance.now()) / 1000);
      return s > 0 ? t('waiting', { s }) : t('trying');
    }
  }
  return navigator.onLine === false ? t('offline') : t('connecting');
}

// Without a valid token, another try would fail as this one did.
const needsToken = () => chat.token !== '' && [1, 109, 3500].includes(chat.reason?.code);

function ended(reason) {
  const code = reason?.code;
  if (code === 3500 && !chat.token) return t('noGuests');
  const known = t(`end${code}`);
  return known !== `end${code}` ? known : t('ended', { reason: errorText({ code, message: reason?.reason || String(code ?? '') }) });
}

$('retry').addEventListener('click', async () => {
  if (chat?.state !== 'ended' || !needsToken()) return chat?.retry();
  const of = chat, token = await newToken().catch(failed);
  if (token && of === chat) of.use(token);
});
// When the user returns to the page, or the device wakes up, try at once.
document.addEventListener('visibilitychange', () => { if (!document.hidden && chat?.state === 'waiting') chat.retry(); });
addEventListener('online', show);
addEventListener('offline', show);
