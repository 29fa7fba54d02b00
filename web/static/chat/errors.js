// What goes wrong, in one shape.

/** What went wrong with a call: code, as in the protocol (100–113) or webim's own (440–445), and a sentence. */
export class ChatError extends Error {
  constructor(code, message, temporary = false) {
    super(message);
    this.code = code;
    this.temporary = temporary;
  }
}

/** Of an error of the library's. */
export const asError = (e) => new ChatError(e?.code ?? 0, e?.message ?? e?.reason ?? String(e), e?.temporary || !e?.code || e.code < 100);
