// Unsent texts, by user and room; they survive a reload of the tab. All guests share their drafts,
// because a guest that the server no longer accepts signs in as a new one.

import { isGuest } from './chat.js';
import { session } from './storage.js';

const KEY = 'webim.drafts';
const MOST = 50, LONGEST = 1_000_000; // rooms, and characters of all: browsers keep five million

const keyOf = (user) => (isGuest(user) ? 'guest:' : user);

/** The draft of a room; '' if there is none. */
export function draftOf(user, room) {
  const { user: whose, rooms } = session.object(KEY);
  const found = whose === keyOf(user) && Array.isArray(rooms) && rooms.find((one) => Array.isArray(one) && one[0] === room);
  return found && typeof found[1] === 'string' ? found[1] : '';
}

/** Stores the draft of a room, or deletes it if it is ''. */
export function keepDraft(user, room, text) {
  const { user: whose, rooms } = session.object(KEY);
  const others = whose === keyOf(user) && Array.isArray(rooms) ? rooms.filter((one) => Array.isArray(one) && one[0] !== room) : [];
  if (text) others.push([room, text]);
  const kept = newest(others);
  if (kept.length) session.setItem(KEY, JSON.stringify({ user: keyOf(user), rooms: kept }));
  else session.removeItem(KEY);
}

/** Deletes all drafts, as at a sign-out. */
export const forgetDrafts = () => session.removeItem(KEY);

// The last drafts of a list, as many as may be kept.
function newest(drafts) {
  let left = LONGEST;
  return drafts.slice(-MOST).reverse().filter(([, text]) => {
    if (typeof text !== 'string' || text.length > left) return false;
    left -= text.length;
    return true;
  }).reverse();
}
