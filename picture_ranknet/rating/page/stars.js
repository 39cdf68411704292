// One picture at a time: a key rates it and moves on.
import {el, inTurn, pictureUrl, preload, say} from './page.js';

export class Stars {
  constructor(stage, session) {
    this.session = session;
    this.ratings = new Map(Object.entries(session.ratings).map(([row, r]) => [Number(row), r]));
    this.trail = session.trail;      // rows that were shown, for the arrows
    this.position = this.trail.length;
    this.typed = '';
    this.help = [
      [[`1–${Math.min(9, session.levels)}`], session.levels > 9 ?
        `rate from 1 to ${session.levels} (Enter ends a number) and move on` :
        'rate and move on (1 is worst)'],
      [['0'], 'clear the rating'], [['x'], 'not a face: leave it out for good'],
      [['Space'], 'skip: show it later'], [['u', '⌫'], 'undo, as often as you like'],
      [['←', '→'], 'look at the one before, the next'], [['g'], 'all pictures, in order'],
      [['Esc'], 'stop; everything is saved']];
    this.build(stage);
  }

  build(stage) {
    const side = (name, step) => el('button', {
      className: `neighbour ${name}`, onclick: () => inTurn(() => this.move(step)),
      ariaLabel: step < 0 ? 'The one before' : 'The next one'});
    this.before = side('before', -1);
    this.after = side('after', 1);
    this.picture = el('img', {className: 'large', alt: '', draggable: false});
    this.badge = el('b', {className: 'badge', hidden: true});
    this.message = el('p', {className: 'message', hidden: true});
    const button = (label, key, action, className = '') => el('button', {
      className, onclick: () => inTurn(action)}, label, key && el('kbd', {}, key));
    this.levels = Array.from({length: this.session.levels}, (_, i) => el(
      'button', {className: 'level', ariaLabel: `Rate ${i + 1}`,
                 onclick: () => inTurn(() => this.rate(i + 1))}, String(i + 1)));
    stage.append(
      el('div', {className: 'pictures'}, this.before,
         el('figure', {}, this.picture, this.badge, this.message), this.after),
      el('div', {className: `levels ${this.session.levels > 10 ? 'many' : ''}`}, ...this.levels),
      el('div', {className: 'others'},
         button('Clear', '0', () => this.rate(null)), button('Not a face', 'x', () => this.reject()),
         button('Skip', 'Space', () => this.skip())));
  }

  get current() {
    return this.trail[this.position];
  }

  /** Take what rate.py says of the pictures to come. */
  take(state) {
    this.state = state;
    this.upcoming = state.upcoming;
    if (this.current === undefined && this.upcoming.length) {
      this.trail.push(this.upcoming[0]);
      this.position = this.trail.length - 1;
      this.show();
    } else if (this.isShown) {
      this.showNeighbours();
    }
  }

  next() {
    return this.trail[this.position + 1] ?? this.upcoming.find(row => row !== this.current);
  }

  show() {
    this.isShown = true;
    const row = this.current;
    const isThere = row !== undefined;
    this.picture.hidden = !isThere;
    this.message.hidden = isThere;
    this.badge.hidden = true;
    if (isThere) {
      this.picture.src = pictureUrl(row, 'large');
      this.picture.alt = `Picture ${row}`;
      this.picture.dataset.row = row;
      const rating = this.ratings.get(row);
      this.badge.hidden = rating === undefined;
      this.badge.textContent = rating === 'x' ? 'no face' : rating ?? '';
      this.levels.forEach((button, i) => button.classList.toggle('on', rating === i + 1));
    } else {
      this.message.textContent = 'All pictures are rated. Look at them in order (g), or finish (Esc).';
      this.levels.forEach(button => button.classList.remove('on'));
    }
    this.showNeighbours();
    preload(this.upcoming.slice(0, 4));
  }

  showNeighbours() {
    this.fill(this.before, this.trail[this.position - 1]);
    this.fill(this.after, this.next());
  }

  fill(place, row) {
    const rating = this.ratings.get(row);
    place.classList.toggle('empty', row === undefined);
    place.replaceChildren(...(row === undefined ? [] : [
      el('img', {src: pictureUrl(row, 'small'), alt: '', draggable: false}),
      rating === undefined ? null : el('b', {}, rating === 'x' ? '×' : String(rating))]
      .filter(Boolean)));
  }

  remember(row, rating) {
    if (rating == null) this.ratings.delete(row);
    else this.ratings.set(row, rating);
  }

  async rate(rating, row = this.current) {
    if (row === undefined) return;
    await say('rate', {row, rating});
    this.remember(row, rating);
    if (row !== this.current || rating === null) this.show();
    else await this.move(1);
  }

  async reject(row = this.current) {
    if (row === undefined) return;
    await say('reject', {row});
    this.remember(row, 'x');
    if (row === this.current) await this.move(1);
  }

  async skip() {
    if (this.current === undefined) return;
    await say('skip', {row: this.current});
    await this.move(1);
  }

  async move(step) {
    if (step < 0) {
      this.position = Math.max(0, this.position - 1);
    } else if (this.position < this.trail.length) {
      const next = this.next();
      this.position += 1;
      if (this.position === this.trail.length && next !== undefined) this.trail.push(next);
    }
    this.show();
  }

  goTo(row) {
    const found = this.trail.lastIndexOf(row);
    if (found < 0) this.trail.splice(this.position, 0, row);
    else this.position = found;
    this.show();
  }

  undone({row, rating}) {
    if (row == null) return;
    this.remember(row, rating);
    this.goTo(row);
  }

  /** Whether a key meant something; digits of long numbers are put together. */
  onKey(key) {
    if (/^[0-9]$/.test(key)) this.type(key, rating => inTurn(() => this.rate(rating)));
    else if (key === 'Enter' && this.typed) this.type(key, r => inTurn(() => this.rate(r)));
    else if (key === 'x') inTurn(() => this.reject());
    else if (key === ' ') inTurn(() => this.skip());
    else if (key === 'ArrowLeft') inTurn(() => this.move(-1));
    else if (key === 'ArrowRight') inTurn(() => this.move(1));
    else return false;
    return true;
  }

  type(key, rate) {
    if (key !== 'Enter') this.typed += key;
    const rating = Number(this.typed);
    if (key === 'Enter' || rating === 0 || rating * 10 > this.session.levels) {
      this.typed = '';
      if (rating <= this.session.levels) rate(rating || null);
    }
  }

  progress(state, session) {
    const done = state.rated + state.rejected;
    return `${done.toLocaleString()} / ${session.pictures.toLocaleString()}`;
  }

  // What the list of all pictures asks for

  get listHint() {
    return 'Drag a picture to another rating, or choose it and press a key.';
  }

  groups(groups) {
    const found = new Map(groups);
    for (let level = 1; level <= this.session.levels; level++) {
      if (!found.has(level)) found.set(level, []);
    }
    if (!found.has('x')) found.set('x', []);
    const place = key => key === 'x' ? -Infinity : key === null ? -1e300 : key;
    return [...found].sort((a, b) => place(b[0]) - place(a[0])).map(([key, rows]) => ({
      key, rows, label: key === 'x' ? 'Not a face' : key === null ?
        'Not rated, the likely best first' : `Rated ${key}`}));
  }

  async drop(row, group) {
    if (group.key === 'x') await this.reject(row);
    else if (group.key === null) await this.rate(null, row);
    else if (Number.isInteger(group.key)) await this.rate(group.key, row);
  }

  onListKey(key, row, done) {
    const rate = rating => inTurn(async () => {
      await this.rate(rating, row);
      await done(row, rating);
    });
    if (/^[0-9]$/.test(key) || (key === 'Enter' && this.typed)) this.type(key, rate);
    else if (key === 'x') inTurn(async () => {
      await this.reject(row);
      await done(row, 'x');
    });
    else return false;
    return true;
  }
}
