// What people and their rooms are called.

// Something to be seen: a name of spaces, joiners and the like is none.
const visible = /[^\p{C}\p{Z}\p{M}\p{Default_Ignorable_Code_Point}\u2800]/u;

/** What to call an author: the name that the token brought, else the user's id. */
export function nameOf(info) { return givenName(info) || info?.user || ''; }

/** The name that an author's token brought; '' for none. */
export function givenName(info) {
  const name = info?.conn_info?.name ?? info?.connInfo?.name;
  return typeof name === 'string' && visible.test(name) ? name : '';
}

/** Whether a user is a guest, who has said a name and proved none. */
export const isGuest = (user) => Boolean(user?.startsWith('guest:'));

const escape = (user) => user.replaceAll('%', '%25').replaceAll(',', '%2C').replaceAll('#', '%23');
const unescape = (part) => part.replaceAll('%23', '#').replaceAll('%2C', ',').replaceAll('%25', '%');

/** The name of a user's own room. */
export const personalRoom = (user) => '#' + escape(user);

/** Of a room between two: the other one. */
export function otherOf(room, user) {
  if (!room.startsWith('#')) return '';
  return room.slice(1).split(',').map(unescape).find((one) => one !== user) ?? '';
}
