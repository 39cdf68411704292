// Two pictures at a time: which is better?
import {inTurn, say} from './api.js';
import {el, keyButton} from './dom.js';
import {Stage, preload} from './stage.js';
import {state} from './state.js';
import {tell} from './status.js';

const SIDES = ['left', 'right'];
const QUESTION = 'Which do you like better?';

export class Pairs {
  constructor(element) {
    this.isRejecting = false;
    this.build(element);
  }

  build(element) {
    this.choices = SIDES.map((side, i) => el(
      'button', {className: `choice ${side}`, onclick: event => this.choose(event, i)},
      el('span', {className: 'frame'}, el('span', {className: 'picture'})),
      el('kbd', {ariaHidden: 'true'}, String(i + 1))));
    this.question = el('h2', {className: 'question'}, QUESTION);
    this.message = el('p', {className: 'message', hidden: true});
    const button = (label, shown, key) => keyButton(
      label, shown, event => this.press(key, event));
    this.others = el('div', {className: 'others'}, button("Can't tell", '↓', 'ArrowDown'),
      button('Not a face', 'x', 'x'), button('Skip', 'Space', ' '));
    element.append(this.question, el('div', {className: 'choices'}, ...this.choices, this.message),
                   this.others);
    this.swipeKeys = {left: ' ', right: 'undo'};
    this.stage = new Stage(element, this.choices.map(choice => choice.querySelector('.picture')));
  }

  get current() {
    return this.pair?.[0];
  }

  take() {
    if (this.isShown && !this.pair && state.pair) this.show();
  }

  show(pair = state.pair) {
    this.isShown = true;
    this.pair = pair;
    this.askWhichIsNoFace(false);
    preload(state.upcoming.slice(0, 4));
    if (pair) this.stage.show([...pair], () => this.dress());
    else {
      this.stage.clear();
      this.dress();
    }
  }

  dress() {
    const isThere = Boolean(this.pair) && !this.stage.hasFailed;
    this.choices.forEach((choice, i) => {
      choice.hidden = !isThere;
      choice.ariaLabel = `The ${SIDES[i]} one is better`;
    });
    this.question.hidden = !isThere;
    this.others.hidden = !this.pair;
    this.message.hidden = isThere;
    if (this.stage.hasFailed) {
      this.message.replaceChildren(
        `Picture ${this.pair.join(' or ')} could not be loaded. `,
        el('button', {onclick: () => this.show(this.pair)}, 'Try again'));
    } else if (!this.pair) {
      this.message.replaceChildren(
        'All pairs are compared. Look at the pictures in order (g), or finish (Esc).');
    }
  }

  // Answers

  /** Answer the pair that was on the screen when a key or button was pressed. */
  answerSeen(event, answer, options) {
    const seen = this.stage.seen(event, options);
    const view = this.stage.hasFailed ? undefined : this.stage.view;
    if (seen?.length) inTurn(() => answer(...seen, view));
    return Boolean(seen?.length);
  }

  /** The left (0) or right one (1) is the better one, or, if that was asked, not a face. */
  choose(event, side) {
    if (event.repeat) return;
    if (this.isRejecting) {
      this.answerSeen(event, async (left, right, view) => {
        await say('reject', {row: [left, right][side], view});
        tell(`The ${SIDES[side]} one is not a face: left out.`);
        this.show();
      });
      this.askWhichIsNoFace(false);
      return;
    }
    const isCounted = this.answerSeen(event, async (left, right, view) => {
      const better = side === null ? null : [left, right][side];
      await say('compare', {left, right, better, view});
      tell(side === null ? 'Cannot tell.' : `The ${SIDES[side]} one is better.`);
      this.show();
    });
    if (isCounted && side !== null) this.flash(this.choices[side]);
  }

  flash(choice) {
    choice.classList.add('flash');
    choice.addEventListener('animationend', () => choice.classList.remove('flash'), {once: true});
  }

  async skip(left, right, view) {
    await say('skip', {left, right, view});
    tell('Skipped: it comes again later.');
    this.show();
  }

  askWhichIsNoFace(isRejecting) {
    this.isRejecting = isRejecting;
    this.question.textContent = isRejecting ? 'Which is not a face?' : QUESTION;
    this.question.classList.toggle('asks', isRejecting);
    if (isRejecting) tell('Which is not a face? 1 is the left one, 2 the right one.');
  }

  undone({pair, undone}) {
    if (!undone) {
      tell('There is nothing to undo.');
      return;
    }
    tell({place: 'Undone: the place.', skip: 'Undone: skip.', reject: 'Undone: not a face.'}[undone]
         ?? 'Undone: the comparison.');
    this.show(pair);
  }

  /** Do what a key means; false if it means nothing here. */
  press(key, event) {
    const wasRejecting = this.isRejecting;
    if (wasRejecting && !['1', '2', 'ArrowLeft', 'ArrowRight'].includes(key)) {
      this.askWhichIsNoFace(false);
      if (['Escape', 'undo', 'x'].includes(key)) {
        tell('');
        return true;
      }
    }
    if (key === '1' || key === 'ArrowLeft') this.choose(event, 0);
    else if (key === '2' || key === 'ArrowRight') this.choose(event, 1);
    else if (key === 'ArrowDown') this.choose(event, null);
    else if (key === 'x') this.askWhichIsNoFace(true);
    else if (key === ' ') {
      this.answerSeen(event, (...seen) => this.skip(...seen), {evenIfFailed: true});
    } else return false;
    return true;
  }

  // What the page shows beside the pictures

  get progress() {
    return [state.compared, state.goal_reached ? null : state.goal];
  }

  // What the list of all pictures asks for

  get listHint() {
    return 'Drag a picture to its place, or choose it and press Shift with an arrow.';
  }

  nameOf(row) {
    return `Picture ${row}`;
  }

  groups(groups) {
    return groups.map(([key, rows]) => ({
      key, rows, label: {x: 'Not a face', ranked: 'Your ranking, best first'}[key] ??
        'Not compared yet'}));
  }

  async drop(row, group, place) {
    if (group.key !== 'ranked') return;
    const others = group.rows.filter(other => other !== row);
    await say('place', {row, above: others[place - 1] ?? null, below: others[place] ?? null});
    tell(`Moved to place ${place + 1}.`);
  }

  listAnswer() {
    return null;
  }
}
