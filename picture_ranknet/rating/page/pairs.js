// Two pictures at a time: which is better?
import {el, inTurn, percent, pictureUrl, preload, say} from './page.js';

export class Pairs {
  constructor(stage) {
    this.help = [
      [['1', '←'], 'the left one is better'], [['2', '→'], 'the right one is better'],
      [['↓'], 'cannot tell'], [['u', '⌫'], 'undo, as often as you like'],
      [['g'], 'all pictures, in order'], [['Esc'], 'stop; everything is saved']];
    const picture = side => el('button', {
      className: `choice ${side}`, onclick: () => inTurn(() => this.choose(side)),
      ariaLabel: `The ${side} one is better`},
    el('img', {className: 'large', alt: '', draggable: false}),
    el('kbd', {}, side === 'left' ? '1' : '2'));
    this.left = picture('left');
    this.right = picture('right');
    this.message = el('p', {className: 'message', hidden: true},
                      'All pairs are compared. Look at them in order (g), or finish (Esc).');
    this.tie = el('button', {onclick: () => inTurn(() => this.choose(null))}, "Can't tell",
                  el('kbd', {}, '↓'));
    stage.append(el('p', {className: 'question'}, 'Which do you like better?'),
                 el('div', {className: 'choices'}, this.left, this.right, this.message),
                 el('div', {className: 'others'}, this.tie));
  }

  get current() {
    return this.pair?.[0];
  }

  take(state) {
    this.state = state;
    this.upcoming = state.pair;
    if (this.isShown && !this.pair && state.pair) this.show();
  }

  show() {
    this.isShown = true;
    this.pair = this.upcoming;
    for (const [i, choice] of [this.left, this.right].entries()) {
      choice.hidden = !this.pair;
      if (!this.pair) continue;
      const img = choice.querySelector('img');
      img.src = pictureUrl(this.pair[i], 'large');
      img.dataset.row = this.pair[i];
    }
    this.message.hidden = Boolean(this.pair);
    this.tie.hidden = !this.pair;
    if (this.pair) preload(this.pair);
  }

  async choose(side) {
    if (!this.pair) return;
    const [left, right] = this.pair;
    await say('compare', {left, right, better: {left, right}[side] ?? null});
    this.show();
  }

  undone({pair}) {
    if (!pair) return;
    this.upcoming = pair;
    this.show();
  }

  onKey(key) {
    if (key === '1' || key === 'ArrowLeft') inTurn(() => this.choose('left'));
    else if (key === '2' || key === 'ArrowRight') inTurn(() => this.choose('right'));
    else if (key === 'ArrowDown') inTurn(() => this.choose(null));
    else return false;
    return true;
  }

  progress(state, session) {
    return state.complete ? `${state.compared.toLocaleString()} comparisons` :
      `${state.compared.toLocaleString()} / ${(session.pictures - 1).toLocaleString()}`;
  }

  sayError(state) {
    if (!state.complete) {
      return `A first ranking of all after ${Math.max(1, state.left)} more; then each comparison ` +
        'makes it better.';
    }
    return `All have their place. About ${percent(state.expected_error)} of all pairs ` +
      'are still in the wrong order; go on as long as you like.';
  }

  // What the list of all pictures asks for

  get listHint() {
    return 'Drag a picture to its place, or choose it and press Shift with an arrow.';
  }

  groups(groups) {
    return groups.map(([key, rows]) => ({
      key, rows, label: key === null ? 'Not compared yet' : 'In your order, the best first'}));
  }

  async drop(row, group, place) {
    if (group.key === null) return;
    const others = group.rows.filter(other => other !== row);
    await say('place', {row, above: others[place - 1] ?? null, below: others[place] ?? null});
  }

  onListKey() {
    return false;
  }
}
