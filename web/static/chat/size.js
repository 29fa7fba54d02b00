// The size of a message as the server counts it, before it is sent.

const encoder = new TextEncoder();

/** The length of a text in bytes of UTF-8. */
export const bytesOf = (text) => encoder.encode(text).length;

/** A text without unpaired surrogates, which the server's JSON parser refuses. */
export const wellFormed = (text) => text.replace(/\p{Cs}/gu, '\ufffd');

/** The length of an id that the outbox gives a message: 16 bytes in hexadecimal digits. */
export const ID_LENGTH = 32;

/**
 * The bytes of a text as a message, as limits.message of room.info bounds them: its
 * data and the names and values of its tags. reply: the offset that it answers; edit:
 * the offset of the message whose text it becomes.
 */
export function sizeOf(text, { reply, edit } = {}) {
  const tags = edit ? `eventeditof${edit}` : `id${'0'.repeat(ID_LENGTH)}${reply ? `reply${reply}` : ''}`;
  return bytesOf(JSON.stringify({ text })) + tags.length;
}
