// Buttons below the list, for users without a keyboard: they act like keys on the chosen pictures.
import {$, el} from './dom.js';
import {session} from './state.js';

const MOST_BUTTONS = 10;  // levels that have a button each

/**
 * Fill the bar.
 *
 * @param {List} list - Its `press(key, event)` is called; `addsToChosen` tells it that a tap adds a
 *   picture to those chosen, or takes it away.
 * @param {function} compare - Called with the rows that are chosen.
 */
export function fillBar(list, compare) {
  const several = el('button', {ariaPressed: 'false', onclick: () => {
    list.addsToChosen = !list.addsToChosen;
    several.ariaPressed = String(list.addsToChosen);
  }}, 'Choose several');
  const key = (label, name, attributes = {}) =>
    el('button', {onclick: event => list.press(name, event), ...attributes}, label);
  const levels = session.levels > MOST_BUTTONS ? [] : Array.from(
    {length: session.levels}, (_, i) => key(String(i + 1), String(i + 1), {
      className: 'level', ariaLabel: `Rate ${i + 1}`}));
  $('list-bar').replaceChildren(
    el('div', {className: 'levels', role: 'group', ariaLabel: 'Rating'}, ...levels),
    el('div', {className: 'others'}, several,
       el('button', {onclick: () => compare([...list.chosen])}, 'Side by side'),
       key('Not a face', 'x'), key('Clear', 'Delete'), key('Open', 'Enter')));
}
