// The connection, as everybody sees it.

import { $, say } from './dom.js';
import { t } from './i18n.js';

let chat, timer;

export function watch(of) {
  chat = of;
  chat.addEventListener('state', show);
  show();
}

/** Shows what is; also after a change of the language. */
export function show() {
  clearInterval(timer);
  if (!chat) return;
  document.body.dataset.state = chat.state;
  $('retry').hidden = chat.state !== 'waiting' && chat.state !== 'ended';
  $('retry').textContent = chat.state === 'ended' ? t('endedRetry') : t('retry');
  const write = () => say($('state'), text());
  write();
  if (chat.state === 'waiting') timer = setInterval(write, 500);
}

function text() {
  switch (chat.state) {
    case 'connected': return t('connected');
    case 'ended': return ended(chat.reason);
    case 'waiting': {
      if (navigator.onLine === false) return t('offline');
      const s = Math.ceil((chat.retryAt - Date.now()) / 1000);
      return s > 0 ? t('waiting', { s }) : t('trying');
    }
  }
  return navigator.onLine === false ? t('offline') : t('connecting');
}

function ended(reason) {
  switch (reason?.code) {
    case 3503: return t('kicked');
    case 4503: return t('banned');
    case 3500: return t('badToken');
  }
  return t('ended', { reason: reason?.reason || reason?.code || '' });
}

$('retry').addEventListener('click', () => chat?.retry());
// Who comes back to the page, or out of sleep, does not want to wait.
document.addEventListener('visibilitychange', () => { if (!document.hidden && chat?.state === 'waiting') chat.retry(); });
addEventListener('online', show);
addEventListener('offline', show);
