// Keeps a part of the page that the server is asked for up to date.

import { ChatError } from './chat.js';
import { state } from './state.js';

const FIRST_PAUSE = 1000, LONGEST_PAUSE = 30_000; // milliseconds before a load that has failed is made again

/**
 * Returns a function that calls load after a delay in milliseconds; several calls at once cause one load, and two loads
 * never overlap. If load rejects with a temporary error, it is called again after a pause that doubles. Without a
 * connection it is not: the caller asks for it at the next connect.
 */
export function refresher(load, delay = 0) {
  let timer = 0, running = false, asked = false;
  const after = (wait, pause) => {
    clearTimeout(timer);
    timer = setTimeout(run, wait, pause);
  };
  const refresh = () => after(delay, FIRST_PAUSE);
  async function run(pause) {
    if (running) return void (asked = true);
    running = true;
    asked = false;
    const failed = await load().then(() => false, (e) => {
      if (!(e instanceof ChatError)) reportError(e);
      return e.temporary && state.chat?.state === 'connected';
    });
    running = false;
    if (asked) refresh();
    else if (failed) after(pause * (0.5 + Math.random() / 2), Math.min(2 * pause, LONGEST_PAUSE));
  }
  return refresh;
}
