// What is written and not sent, by user and room: it outlives a reload of the tab.

import { session } from './storage.js';

const KEY = 'webim.drafts';
const MOST = 50, LONGEST = 100_000; // rooms, and characters of one

/** What stands in the box of a room; '' for nothing. */
export function draftOf(user, room) {
  const { user: whose, rooms } = session.object(KEY);
  const found = whose === user && Array.isArray(rooms) && rooms.find((one) => Array.isArray(one) && one[0] === room);
  return found && typeof found[1] === 'string' ? found[1] : '';
}

/** Keeps the draft of a room, or forgets it if it is ''. */
export function keepDraft(user, room, text) {
  const { user: whose, rooms } = session.object(KEY);
  const others = whose === user && Array.isArray(rooms) ? rooms.filter((one) => Array.isArray(one) && one[0] !== room) : [];
  if (text && text.length <= LONGEST) others.push([room, text]);
  if (others.length) session.setItem(KEY, JSON.stringify({ user, rooms: others.slice(-MOST) }));
  else session.removeItem(KEY);
}

/** Forgets all of them, as at a sign-out. */
export const forgetDrafts = () => session.removeItem(KEY);
