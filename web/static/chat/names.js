// The names of users and rooms.

// A visible character: a name must not consist of spaces, joiners and the like.
const seen = /[^\p{C}\p{Z}\p{M}\p{Default_Ignorable_Code_Point}\u2800]/u;

/** Whether a text has a visible character. */
export const isVisible = (text) => seen.test(text);

// Control characters that reorder the text around them, or end the isolate around a name.
const turning = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

/** A name, or an id, without the control characters that would reorder the sentence around it. */
export const plainName = (name) => String(name).replace(turning, '');

/** The display name of an author: the name from the token, or else the id. */
export function nameOf(info) { return givenName(info) || plainName(info?.user ?? ''); }

/** The name from an author's token; '' if there is none. */
export function givenName(info) {
  const name = info?.conn_info?.name ?? info?.connInfo?.name;
  return typeof name === 'string' && isVisible(name) ? plainName(name) : '';
}

/** Whether a user is a guest, with a name that it chose and did not prove. */
export const isGuest = (user) => String(user ?? '').startsWith('guest:');

// A variation selector that asks for the picture of the emoji before it.
const emojiSelector = /([\p{So}\p{Sm}\p{Po}0-9\u3030\u303d])\ufe0f/gu;

/** A room's name as the server spells it, by which the library finds the room. Rooms with # are named after users, whose ids are as they are. */
export const roomName = (name) => (name.startsWith('#') ? name : name.normalize('NFC').replace(emojiSelector, '$1'));

const escape = (user) => user.replaceAll('%', '%25').replaceAll(',', '%2C').replaceAll('#', '%23');
const unescape = (part) => part.replaceAll('%23', '#').replaceAll('%2C', ',').replaceAll('%25', '%');

/** The name of a user's own room. */
export const personalRoom = (user) => '#' + escape(user);

/** The other user of a direct room. */
export function otherOf(room, user) {
  if (!room.startsWith('#')) return '';
  return room.slice(1).split(',').map(unescape).find((one) => one !== user) ?? '';
}
