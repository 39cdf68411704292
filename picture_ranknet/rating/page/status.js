// The line that says what happened, and the one that says what went wrong.
import {$, el} from './dom.js';

/** Say one thing, on the screen and to screen readers. */
export function tell(text) {
  $('status').textContent = text;
}

/** Say what went wrong, with a button that may help; null: all is well. */
export function showTrouble(message, remedy = null) {
  const isNew = $('trouble').firstChild?.data !== message;
  if (isNew) $('trouble').replaceChildren(message ?? '', ...(remedy ? [' ', remedy] : []));
  $('trouble').hidden = !message;
}

/** End the page: nothing on it can be used any more. */
export function showSaved(text) {
  document.body.replaceChildren(el('main', {id: 'saved'},
    el('h1', {}, 'Saved'), ...text, el('p', {}, 'You can close this window.')));
}
