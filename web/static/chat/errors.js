// All errors, in one form.

/** The error of a call: a code of the protocol (100–113) or of webim (440–445), and a sentence. */
export class ChatError extends Error {
  constructor(code, message, temporary = false) {
    super(message);
    this.code = code;
    this.temporary = temporary;
  }
}

/** Converts an error of the library. */
export const asError = (e) => new ChatError(e?.code ?? 0, e?.message ?? e?.reason ?? String(e), e?.temporary || !e?.code || e.code < 100);
