// The stage: which pictures are on the screen, and since when they could have been seen.
import {isBusy} from './api.js';
import {el, pictureUrl} from './dom.js';
import {session} from './state.js';
import {tell} from './status.js';

const MOMENT = 150;        // ms from the painting of a picture to the first answer that counts
const DOUBLE_CLICK = 400;  // the same, for what may be the second half of a double click
const KEPT = 8;            // pictures that are loaded ahead

const ahead = new Map();   // row: promise of its image

/** Preload the next pictures. */
export function preload(rows) {
  for (const row of rows) {
    if (ahead.has(row)) continue;
    ahead.set(row, load(row));
    if (ahead.size > KEPT) ahead.delete(ahead.keys().next().value);
  }
}

export class Stage {
  /** frames: elements that each hold one picture. */
  constructor(element, frames) {
    this.element = element;
    this.frames = frames;
    this.rows = [];
    this.paintedAt = Infinity;
    this.hasFailed = false;
    this.view = 0;  // raised with all that is painted to be answered: rate.py takes one answer a view
    document.addEventListener('visibilitychange', () => this.wait());
  }

  /**
   * Show pictures, one a frame.
   *
   * @param {number[]} rows
   * @param {function} dress - Called when they replace the former ones.
   */
  async show(rows, dress) {
    const isSame = String(rows) === String(this.rows) && !this.hasFailed;
    if (isSame && this.paintedAt < Infinity) {
      dress();
      return;
    }
    this.disarm();
    this.rows = rows;
    this.hasFailed = false;
    this.element.ariaBusy = 'true';
    const images = await Promise.all(rows.map(row => ahead.get(row) ?? load(row)));
    if (this.rows !== rows) return;  // others came meanwhile
    this.hasFailed = images.includes(null);
    this.element.ariaBusy = 'false';
    for (const [i, frame] of this.frames.entries()) {
      const image = images[i];
      frame.querySelector('.large')?.remove();
      if (!image) continue;
      shape(frame, image);
      frame.prepend(image);
    }
    this.element.style.setProperty(
      '--lowest', Math.min(...images.map(image => image ? ratioOf(image) : 1)));
    dress();
    if (this.hasFailed) return;
    await this.wait();
    if (session.has_sources) rows.forEach((row, i) => this.refine(rows, i));
  }

  /** Put the same picture, as large as in its source, in the place of one. */
  async refine(rows, i) {
    const image = await load(rows[i], `large/${rows[i]}`);
    if (!image || this.rows !== rows) return;
    image.classList.add('refined');
    shape(this.frames[i], image);
    this.frames[i].querySelector('.large')?.replaceWith(image);
  }

  /** Show nothing. */
  clear() {
    this.disarm();
    this.rows = [];
    this.hasFailed = false;
    this.element.ariaBusy = 'false';
    for (const frame of this.frames) frame.querySelector('.large')?.remove();
  }

  /** Count no answer before the pictures have been on the screen for a moment. */
  async wait() {
    const {rows} = this;
    if (!rows.length || this.hasFailed || this.element.ariaBusy === 'true') return;
    this.disarm();
    await new Promise(painted => requestAnimationFrame(() => requestAnimationFrame(painted)));
    if (this.rows !== rows) return;
    this.paintedAt = performance.now();
    this.view += 1;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => { this.element.dataset.ready = rows.join(' '); }, MOMENT);
  }

  disarm() {
    this.paintedAt = Infinity;
    clearTimeout(this.timer);
    delete this.element.dataset.ready;
  }

  /**
   * The rows of the pictures that were on the screen when a key or button was pressed.
   *
   * @returns {?number[]} null, and the status line says why, if they cannot have been meant.
   */
  seen(event, {evenIfFailed = false} = {}) {
    if (!this.rows.length) return null;
    if (this.hasFailed) {
      if (evenIfFailed && !isBusy()) return this.rows;
      tell('Not counted: there is no picture to rate.');
      return null;
    }
    const needed = event.detail > 1 ? DOUBLE_CLICK : MOMENT;
    if (!isBusy() && event.timeStamp - this.paintedAt >= needed) return this.rows;
    tell('Not counted: that came before you could see the picture.');
    return null;
  }
}

/** Give a frame the shape of its image. */
function shape(frame, image) {
  frame.style.setProperty('--ratio', ratioOf(image));
}

/** Width by height. */
export function ratioOf(image) {
  return image.naturalWidth / image.naturalHeight || 1;
}

/** An image that is ready to be painted; null if it cannot be loaded. */
async function load(row, src = pictureUrl(row, 'large')) {
  const image = el('img', {className: 'large', alt: `Picture ${row}`, draggable: false, src});
  image.dataset.row = row;
  try {
    await image.decode();
    return image;
  } catch {
    ahead.delete(row);  // another try loads it anew
    return null;
  }
}
