// What a key means on any keyboard: digits by their place, letters by what they write.

const ZEROS = [0x660, 0x6f0, 0x966, 0x9e6, 0xe50, 0xff10];  // of Arabic, Persian, ... digits
const NAMED = ['Enter', 'Escape', 'Delete', 'ArrowLeft', 'ArrowRight', 'ArrowUp', 'ArrowDown'];
const REPEATABLE = ['ArrowLeft', 'ArrowRight', 'ArrowUp', 'ArrowDown'];

/**
 * The meaning of a key press.
 *
 * Digits go by their place, so that the top row works on AZERTY too; letters go
 * by what they write, or by their place where that is not Latin.
 *
 * @returns {?string} '0' to '9', a Latin letter, '?', ' ', 'undo' or the name of a key;
 *   null for what is the browser's.
 */
export function meaning(event) {
  const key = event.key.normalize('NFKC');
  const letter = letterOf(key, event.code);
  if (event.ctrlKey || event.metaKey) {
    return letter === 'z' && !event.shiftKey && !event.altKey ? 'undo' : null;
  }
  if (event.altKey || (event.repeat && !REPEATABLE.includes(key))) return null;
  if (key === 'Backspace' || letter === 'u') return 'undo';
  if (NAMED.includes(key)) return key;
  if (key === '?' || key === ' ') return key;
  return digitOf(key, event.code) ?? letter;
}

/** Whether a key is a single-character shortcut, which a person may switch off. */
export function isCharacter(event, meant) {
  return meant !== null && event.key.length === 1 && !event.ctrlKey && !event.metaKey;
}

function letterOf(key, code) {
  if (/^[a-z]$/i.test(key)) return key.toLowerCase();
  const isOther = key.length > 1 || key.charCodeAt(0) > 127;  // not Latin, or an input method
  const place = /^Key([A-Z])$/.exec(code);
  return isOther && place ? place[1].toLowerCase() : null;
}

function digitOf(key, code) {
  if (/^[0-9]$/.test(key)) return key;
  const place = /^Digit([0-9])$/.exec(code);
  if (place) return place[1];
  const found = key.length === 1 && ZEROS.map(zero => key.charCodeAt(0) - zero)
    .find(value => value >= 0 && value <= 9);
  return found || found === 0 ? String(found) : null;
}

/** Digits that make one number: "1" waits for another where ratings go to 10 or more. */
export class Digits {
  constructor(most) {
    this.most = most;
    this.typed = '';
  }

  /** Take a digit, or Enter; returns the number when it is complete, else null. */
  take(key) {
    if (key !== 'Enter') this.typed += key;
    const number = Number(this.typed);
    if (key !== 'Enter' && number > 0 && number * 10 <= this.most) return null;
    this.typed = '';
    return number;
  }

  clear() {
    const had = this.typed !== '';
    this.typed = '';
    return had;
  }
}
