// One picture at a time: a key rates it and moves on.
import {Anchors} from './anchors.js';
import {inTurn, say} from './api.js';
import {el, keyButton, thumbnail} from './dom.js';
import {Digits} from './keys.js';
import {Origin} from './origin.js';
import {Stage, preload} from './stage.js';
import {session, state} from './state.js';
import {tell} from './status.js';
import {ratingName} from './words.js';

const MOST_CARDS = 10;  // levels that have room for a picture each

export class Stars {
  constructor(element) {
    this.ratings = new Map(Object.entries(session.ratings).map(([row, r]) => [Number(row), r]));
    this.trail = session.trail;      // rows that were shown, the present one and a few after it
    this.position = this.trail.length;
    this.passed = new Set();         // rows that were left without an answer
    this.promised = undefined;       // the row that is shown as the next one
    this.digits = new Digits(session.levels);
    this.anchors = new Anchors(this.ratings, this.trail);
    this.build(element);
  }

  build(element) {
    const side = (name, step, ariaLabel) => el('button', {className: `neighbour ${name}`, ariaLabel,
      onclick: () => inTurn(() => step < 0 ? this.move(step) : this.goOn())});
    this.before = side('before', -1, 'The previous picture');
    this.after = side('after', 1, 'The next picture');
    this.badge = el('b', {className: 'badge', hidden: true});
    this.pending = el('p', {className: 'pending', hidden: true});
    this.message = el('p', {className: 'message', hidden: true});
    this.figure = el('figure', {}, this.badge, this.pending);
    this.levels = Array.from({length: session.levels}, (_, i) => this.levelButton(i + 1));
    const isMany = session.levels > MOST_CARDS;
    this.sideBySide = keyButton('Side by side', 'c', () => {}, {ariaKeyShortcuts: 'c'});
    this.origin = new Origin();
    this.answers = el('div', {className: 'answers'}, this.origin.element,
      el('div', {className: 'scale'},
         el('div', {className: isMany ? 'levels many' : 'levels', role: 'group',
                    ariaLabel: 'Rating'}, ...this.levels),
         el('p', {className: 'ends', ariaHidden: 'true'}, el('span', {}, 'worst'),
            el('span', {}, 'best'))),
      el('div', {className: 'others'},
         keyButton('Clear', '0', event => this.clear(event), {ariaKeyShortcuts: '0'}),
         keyButton('Not a face', 'x', event => this.press('x', event), {ariaKeyShortcuts: 'x'}),
         keyButton('Skip', 'Space', event => this.press(' ', event), {ariaKeyShortcuts: 'Space'}),
         this.sideBySide));
    this.swipeKeys = {left: 'ArrowRight', right: 'ArrowLeft'};
    element.append(
      el('div', {className: 'pictures'}, this.before,
         el('div', {className: 'frame'}, this.figure, this.message), this.after),
      this.answers);
    this.stage = new Stage(element, [this.figure]);
  }

  levelButton(level) {
    const end = {1: ', worst', [session.levels]: ', best'}[level] ?? '';
    const button = el('button', {
      className: 'level', ariaLabel: `Rate ${level}${end}`, ariaPressed: 'false',
      onclick: event => {
        this.forgetDigits();
        this.rateSeen(event, level);
      }}, el('span', {}, String(level)));
    button.addEventListener('animationend', () => button.classList.remove('flash'));
    return button;
  }

  get current() {
    return this.trail[this.position];
  }

  /** Take what rate.py says of the pictures to come. */
  take() {
    if (!this.isShown) return;
    if (this.current === undefined && this.next() !== undefined) this.show();
    else this.showNeighbours();
  }

  /** Whether a row was rated long ago and is asked about again. */
  isRepeat(row) {
    return state.repeats.includes(row);
  }

  /** Whether a row has still to be answered. */
  isOpen(row) {
    return !this.ratings.has(row) || this.isRepeat(row);
  }

  /** The row that comes after the current one; the one that was shown as such stays it. */
  next() {
    const after = this.trail[this.position + 1];
    if (after !== undefined) return after;
    const isNew = row => row !== undefined && row !== this.current && !this.passed.has(row) &&
      this.isOpen(row);
    if (!isNew(this.promised)) {
      this.promised = state.upcoming.find(isNew) ?? this.findAnother(isNew);
    }
    return this.promised;
  }

  /** A row that rate.py has not named yet; when all were passed, they come again. */
  findAnother(isNew) {
    const from = (this.current ?? -1) + 1;
    for (let i = 0; i < session.pictures; i++) {
      const row = (from + i) % session.pictures;
      if (isNew(row)) return row;
    }
    this.passed.clear();
    if (this.current !== undefined) this.passed.add(this.current);
    return state.upcoming.find(row => row !== this.current);
  }

  show() {
    this.isShown = true;
    this.forgetDigits();
    const row = this.current ?? this.next();
    if (row !== this.current) this.trail.push(row);  // else no picture is left
    if (row === undefined) {
      this.stage.clear();
      this.dress();
    } else {
      this.stage.show([row], () => this.dress());
    }
    this.showNeighbours();
    preload([this.promised, ...state.upcoming].filter(r => r !== undefined).slice(0, 4));
  }

  /** Show what belongs to the picture: its rating, and messages in its place. */
  dress() {
    const row = this.current;
    const rating = this.isRepeat(row) ? undefined : this.ratings.get(row);
    this.badge.hidden = rating === undefined;
    this.badge.textContent = rating === undefined ? '' : ratingName(rating);
    this.levels.forEach((button, i) => {
      button.ariaPressed = String(rating === i + 1);
    });
    this.message.hidden = row !== undefined && !this.stage.hasFailed;
    this.figure.hidden = !this.message.hidden;
    this.answers.classList.toggle('idle', row === undefined);
    if (row === undefined) {
      this.message.replaceChildren(
        'All pictures are rated. Look at them in order (g), or finish (Esc).');
    } else if (this.stage.hasFailed) {
      this.message.replaceChildren(
        `Picture ${row} could not be loaded. `,
        el('button', {onclick: () => this.show()}, 'Try again'));
    }
    this.showAnchors();
    this.origin.show(row);
    if (this.stage.hasFailed) tell(`Picture ${row} could not be loaded.`);
    else if (this.isRepeat(row)) tell('Shown again, to see how consistent you are.');
  }

  showAnchors() {
    if (session.levels > MOST_CARDS) return;
    this.levels.forEach((button, i) => {
      const row = this.anchors.of(i + 1, this.isRepeat(this.current) ? this.current : undefined);
      const shown = button.querySelector('img');
      if (shown?.dataset.row === String(row)) return;
      shown?.remove();
      if (row === undefined) return;
      const image = thumbnail(row);
      image.dataset.row = row;
      image.title = `You gave this a ${i + 1}`;
      button.prepend(image);
    });
    this.answers.classList.toggle('anchored', this.levels.some(b => b.querySelector('img')));
  }

  showNeighbours() {
    this.fill(this.before, this.trail[this.position - 1]);
    this.fill(this.after, this.current === undefined ? undefined : this.next());
  }

  fill(place, row) {
    const rating = this.isRepeat(row) ? undefined : this.ratings.get(row);
    const wanted = `${row} ${rating}`;
    if (place.dataset.shows === wanted) return;
    place.dataset.shows = wanted;
    place.classList.toggle('empty', row === undefined);
    place.replaceChildren(...(row === undefined ? [] : [thumbnail(row)]), ...(
      rating === undefined ? [] : [el('b', {}, rating === 'x' ? '×' : ratingName(rating))]));
  }

  remember(row, rating) {
    if (rating == null) this.ratings.delete(row);
    else this.ratings.set(row, rating);
    this.passed.delete(row);
    this.anchors.add(row);
  }

  // Answers

  /** Answer the picture that was on the screen when a key or button was pressed. */
  answerSeen(event, answer, options) {
    const seen = this.stage.seen(event, options);
    const view = this.stage.hasFailed ? undefined : this.stage.view;
    if (seen?.length) inTurn(() => answer(seen[0], view));
    return Boolean(seen?.length);
  }

  rateSeen(event, rating) {
    if (rating > session.levels) {
      tell(`Ratings go from 1 to ${session.levels}.`);
    } else if (this.answerSeen(event, (row, view) => this.rate(row, rating, view)) && rating) {
      this.levels[rating - 1].classList.add('flash');
    }
  }

  clear(event) {
    this.forgetDigits();
    this.rateSeen(event, null);
  }

  /** Rate a row; view: of the stage, if it was answered there. */
  async rate(row, rating, view) {
    const repeat = view !== undefined && this.isRepeat(row) || undefined;
    const hadGoal = state.goal_reached;
    await say('rate', {row, rating, view, repeat});
    this.remember(row, rating);
    if (rating === null && view) this.stage.view += 1;  // the picture stays
    const goal = state.goal_reached && !hadGoal ?
      ` ${state.goal} ratings are enough for a first model; more still help.` : '';
    tell(rating === null ? 'Rating cleared.' : `Rated ${rating}.${goal}`);
    this.goOnFrom(row, rating !== null);
  }

  async reject(row, view) {
    await say('reject', {row, view});
    this.remember(row, 'x');
    tell('Not a face: left out.');
    this.goOnFrom(row, true);
  }

  async skip(row, view) {
    await say('skip', {row, view});
    tell('Skipped: it comes again later.');
    this.goOnFrom(row, true);
  }

  goOnFrom(row, isDone) {
    if (isDone && row === this.current) this.move(1);
    else this.show();
  }

  /** Show the next picture; this one comes again after all others. */
  async goOn() {
    const row = this.current;
    const isLeft = row !== undefined && this.isOpen(row) && this.next() !== undefined;
    if (isLeft) await say('next', {row});
    this.move(1);
  }

  move(step) {
    if (step < 0) {
      this.position = Math.max(0, this.position - 1);
    } else if (this.current !== undefined) {
      const next = this.next();
      if (this.isOpen(this.current)) {
        if (next === undefined) {
          tell('There is no other picture to rate.');
          return;
        }
        this.passed.add(this.current);
      }
      this.position += 1;
      if (this.position === this.trail.length && next !== undefined) this.trail.push(next);
    }
    this.show();
  }

  /** Show a picture of the list; the answer to it leads back to the present one. */
  visit(row) {
    if (row !== this.current) this.trail.splice(this.position, 0, row);
    this.show();
  }

  undone({row, rating, undone}) {
    if (row == null) {
      tell('There is nothing to undo.');
      return;
    }
    const was = ratingName(this.ratings.get(row));
    this.remember(row, rating);
    tell(undone === 'skip' ? 'Undone: skip.' : `Undone: ${was} → ${ratingName(rating)}.`);
    const found = this.trail.lastIndexOf(row);
    if (found < 0) this.trail.splice(this.position, 0, row);
    else this.position = found;
    this.show();
  }

  // Keys

  /** Do what a key means; false if it means nothing here. */
  press(key, event) {
    if (/^[0-9]$/.test(key) || (key === 'Enter' && this.digits.typed)) {
      this.typeDigit(key, rating => this.rateSeen(event, rating || null));
      return true;
    }
    const hadDigits = this.forgetDigits();
    if (hadDigits && ['undo', 'Escape', 'Delete'].includes(key)) return true;
    if (key === 'Delete') this.clear(event);
    else if (key === 'x') this.answerSeen(event, (...seen) => this.reject(...seen));
    else if (key === ' ') {
      this.answerSeen(event, (...seen) => this.skip(...seen), {evenIfFailed: true});
    } else if (key === 'ArrowLeft') inTurn(() => this.move(-1));
    else if (key === 'ArrowRight') inTurn(() => this.goOn());
    else return false;
    return true;
  }

  typeDigit(key, rate) {
    const rating = this.digits.take(key);
    this.pending.hidden = rating !== null;
    this.pending.textContent = `${this.digits.typed}…`;
    if (rating === null) tell(`${this.digits.typed}: another digit, or Enter.`);
    else rate(rating);
  }

  forgetDigits() {
    const had = this.digits.clear();
    this.pending.hidden = true;
    if (had) tell('');
    return had;
  }

  // What the page shows beside the pictures

  /** How many are rated, and of how many: a goal first, then all that can be. */
  get progress() {
    return [state.rated, state.goal_reached ? state.rated + state.left : state.goal];
  }

  // What the list of all pictures asks for

  get listHint() {
    return 'Choose pictures and press a key, or drag them to another rating. Enter opens one, c compares.';
  }

  /** The picture that is shown, and some that were rated about the middle, or what is nearest. */
  get toCompare() {
    const anchors = Array.from({length: session.levels}, (_, i) => i + 1)
      .sort((a, b) => Math.abs(a - session.levels / 2 - .5) - Math.abs(b - session.levels / 2 - .5))
      .map(level => this.anchors.of(level, this.current)).filter(row => row !== undefined);
    const shown = anchors.slice(0, 3).sort((a, b) => this.ratings.get(a) - this.ratings.get(b));
    return [this.current, ...shown].filter(row => row !== undefined);
  }

  /** The rating of a row that may be seen: not of one that is asked again. */
  shownRating(row) {
    return this.isRepeat(row) ? undefined : this.ratings.get(row);
  }

  nameOf(row) {
    return `Picture ${row}, ${ratingName(this.ratings.get(row))}`;
  }

  /** Groups of rows: those of each level, the best first, those not rated, those that are no face. */
  groups(groups) {
    const found = new Map();
    for (const key of ['x', null]) found.set(key, []);
    for (let level = 1; level <= session.levels; level++) found.set(level, []);
    for (const [rating, rows] of groups) found.set(rating, rows);
    const place = key => key === 'x' ? -Infinity : key === null ? -1e300 : key;
    return [...found].sort((a, b) => place(b[0]) - place(a[0]))
      .filter(([key, rows]) => key !== null || rows.length)
      .map(([key, rows]) => ({
        key, rows, label: key === 'x' ? 'Not a face' : key === null ?
          'Not rated, the likely best first' : `Rated ${key}`}));
  }

  /** Give a row what a group stands for. */
  async drop(row, group) {
    if (group.key === 'x') await this.reject(row);
    else if (group.key === null) await this.rate(row, null);
    else await this.rate(row, group.key);
  }

  /** What a key does to chosen pictures of the list: {key of their new group, answer}, or null. */
  listAnswer(key) {
    if (/^[0-9]$/.test(key) || (key === 'Enter' && this.digits.typed)) {
      let found = {};
      this.typeDigit(key, rating => {
        if (rating > session.levels) tell(`Ratings go from 1 to ${session.levels}.`);
        else found = {group: rating || null, answer: row => this.rate(row, rating || null)};
      });
      return found;
    }
    this.forgetDigits();
    if (key === 'x') return {group: 'x', answer: row => this.reject(row)};
    if (key === 'Delete') return {group: null, answer: row => this.rate(row, null)};
    return null;
  }
}
