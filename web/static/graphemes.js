// Characters as people count them. Browsers without Intl.Segmenter (Firefox before
// 125) count code points with the marks and joiners that belong to them.

const cluster = /\p{RI}\p{RI}|[^](?:\p{M}|\p{EMod}|[\u{e0020}-\u{e007f}]|\u200d[^])*/gu;
const segmenter = typeof Intl.Segmenter === 'function' ? new Intl.Segmenter(undefined, { granularity: 'grapheme' }) : undefined;

/** The characters of a text. */
export const graphemes = (text) => (segmenter ? [...segmenter.segment(text)].map((s) => s.segment) : text.match(cluster) ?? []);

const emoji = /^(?:\p{RI}\p{RI}|[#*0-9]\ufe0f?\u20e3|(?=[^#*0-9])\p{Emoji}(?:\ufe0f|\p{EMod})?(?:\u200d\p{Emoji}(?:\ufe0f|\p{EMod})?)*[\u{e0020}-\u{e007f}]*)$/u;
const shown = /\p{Emoji_Presentation}|\ufe0f|\p{RI}/u;

/** Whether a character is an emoji, and looks like one. */
export const isEmoji = (character) => emoji.test(character) && shown.test(character);
