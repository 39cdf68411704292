// Two to four pictures side by side, to help decide.
import {inTurn, isBusy} from './api.js';
import {$, el, pictureUrl} from './dom.js';
import {ratioOf} from './stage.js';
import {session} from './state.js';
import {tell} from './status.js';
import {ratingName} from './words.js';

const MOST = 4;
const MOST_BUTTONS = 10;  // levels that have a button each
const MOMENT = 150;       // ms from one picture's turn to its first answer

export class Compare {
  /**
   * @param {HTMLDialogElement} dialog
   * @param {Stars} way - Rates them.
   * @param {function} onClose - Called when it has been closed.
   */
  constructor(dialog, way, onClose) {
    this.dialog = dialog;
    this.way = way;
    this.cards = [];
    this.at = 0;
    this.turnedAt = Infinity;
    dialog.addEventListener('close', onClose);
    $('close-compare').onclick = () => dialog.close();
  }

  get isOpen() {
    return this.dialog.open;
  }

  /** Show pictures, and say so if they are too many, or too few. */
  open(rows) {
    if (rows.length < 2 || rows.length > MOST) {
      tell(`Choose 2 to ${MOST} pictures to see them side by side.`);
      return;
    }
    this.cards = rows.map((row, i) => this.card(row, i));
    $('compared').replaceChildren(...this.cards.map(({element}) => element));
    this.dialog.style.setProperty('--n', rows.length);
    this.dialog.showModal();
    this.select(0);
  }

  card(row, i) {
    const image = el('img', {src: pictureUrl(row, 'large'), alt: `Picture ${row}`});
    image.onload = () => this.shape(image);
    if (session.has_sources) sharpen(image, row);
    const picture = el('button', {className: 'compared', onclick: () => this.select(i)}, image);
    const mark = el('p', {className: 'mark'});
    const levels = session.levels > MOST_BUTTONS ? [] :
      Array.from({length: session.levels}, (_, n) => el('button', {
        className: 'level', ariaLabel: `Rate picture ${row} ${n + 1}`,
        onclick: event => this.rate(i, String(n + 1), event)}, String(n + 1)));
    const element = el('div', {className: 'card'}, picture, mark,
                       el('div', {className: 'levels', role: 'group'}, ...levels));
    return {row, element, picture, image, mark, levels};
  }

  /** Give a picture its shape, and all of them the height of the tallest one. */
  shape(image) {
    image.style.setProperty('--ratio', ratioOf(image));
    $('compared').style.setProperty(
      '--lowest', Math.min(...this.cards.map(card => ratioOf(card.image))));
  }

  select(i) {
    this.at = i;
    this.turnedAt = performance.now();
    this.show();
    this.cards[i].picture.focus();
  }

  show() {
    this.cards.forEach(({row, picture, mark, levels}, i) => {
      const rating = this.way.shownRating(row);
      picture.ariaPressed = String(i === this.at);
      picture.ariaLabel = `Picture ${row}, ${ratingName(rating)}`;
      const hasButton = levels.length && Number.isInteger(rating);
      mark.textContent = hasButton ? '\u00a0' : ratingName(rating);
      levels.forEach((button, n) => { button.ariaPressed = String(rating === n + 1); });
    });
  }

  /** Do what a key means; false if it means nothing here. */
  press(key, event) {
    const step = {ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1}[key];
    if (step) this.select((this.at + step + this.cards.length) % this.cards.length);
    else if (key === 'c') this.dialog.close();
    else return this.rate(this.at, key, event);
    return true;
  }

  /** Give a picture what a key stands for, and go on to the next one. */
  rate(i, key, event) {
    const {row, image} = this.cards[i];
    const found = this.way.listAnswer(key);
    if (!found) return false;
    const isSeen = image.naturalWidth && event.timeStamp - this.turnedAt >= MOMENT;
    if (found.answer && (isBusy() || !isSeen)) {
      tell('Not counted: that came before you could see the picture.');
    } else if (found.answer) {
      inTurn(async () => {
        await found.answer(row);
        if (this.isOpen) this.select(Math.min(i + 1, this.cards.length - 1));
      });
    }
    return true;
  }
}

/** Put the picture of the source in the place of the same one, if it is there. */
async function sharpen(image, row) {
  const large = el('img', {src: `large/${row}`});
  try {
    await large.decode();
    image.src = large.src;
  } catch {
    // the small one will do
  }
}
