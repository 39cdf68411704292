// The panel beside the pictures: progress, pace, and how well the ratings predict.
import {showCurve, showHistogram} from './charts.js';
import {$} from './dom.js';
import {session, state} from './state.js';
import {count, duration, percent} from './words.js';

const WORTH_SAYING = .005;  // gain in pair accuracy
const AS_GOOD = .01;        // distance from the ceiling at which it counts as reached
const FEWEST_PAIRS = 10;    // pairs of pictures shown twice, to estimate the ceiling

/** Show what rate.py said last; counted: how many are done, and of how many, if there is an end. */
export function showProgress(counted) {
  const [done, goal] = counted;
  $('count').textContent = `${done.toLocaleString()}${goal ? ` / ${goal.toLocaleString()}` : ''}`;
  $('count').title = session.mode === 'pairs' ? 'Comparisons' : 'Pictures rated';
  const share = goal ? Math.min(1, done / goal) : 1;
  $('progress').firstElementChild.style.width = `${100 * share}%`;
  $('progress').ariaValueNow = String(Math.min(done, goal ?? done));
  $('progress').ariaValueMax = String(goal ?? done);
  $('pace').textContent = sayPace(goal ? goal - done : state.left);
  if (session.mode === 'stars') {
    showHistogram($('histogram'), state.spread);
    showCurve($('curve'), state.curve, ceiling());
  }
  $('prediction').textContent = session.mode === 'stars' ? sayPrediction() : sayOrder();
  $('agreement').textContent = sayAgreement();
  $('agreement').hidden = !$('agreement').textContent;
}

function sayPace(left) {
  if (!state.pace) return 'Shown after a few answers.';
  const rest = left > 0 ?
    `, ${duration(left * state.pace)} for the next ${left.toLocaleString()}` : '';
  return `${Math.round(60 / state.pace)} a minute${rest}`;
}

function sayPrediction() {
  const {accuracy} = state;
  if (accuracy == null) return 'Shown after 10 ratings.';
  if (!state.predictable) {
    return `Not predictable yet: your ratings order ${percent(accuracy)} of pairs correctly. ` +
      'Guessing gets 50\u00a0%.';
  }
  const highest = ceiling();
  const now = `Your ratings predict the better of two pictures in ${percent(accuracy)} of pairs. `;
  if (highest !== null && accuracy >= highest - AS_GOOD) {
    return `${now}You do not agree with yourself more often: more ratings can hardly help.`;
  }
  if (!state.more || state.gain == null) return now;
  if (state.gain < WORTH_SAYING) return `${now}${state.more} more will hardly change that.`;
  return `${now}${state.more} more may add ${percent(state.gain)}.`;
}

function sayOrder() {
  if (!state.complete) {
    return `${Math.max(1, state.left)} more for a first ranking of all; each comparison after ` +
      'that improves it.';
  }
  return `All pictures are ranked. About ${percent(state.expected_error)} of the pairs are still ` +
    'in the wrong order; continue as long as you like.';
}

/** The fraction of pairs in which a person agrees with themselves; null if not known yet. */
function ceiling() {
  const found = state.self_agreement;
  return found && found.pairs >= FEWEST_PAIRS ? found.share : null;
}

/** How consistently a person rates pictures that are shown twice. */
function sayAgreement() {
  const found = state.self_agreement;
  if (!found) return '';
  const agreed = `You agree with yourself in ${percent(found.share)} of pairs`;
  return ceiling() === null ? `${agreed}, of ${count(found.repeats, 'picture')} so far.` :
    `${agreed}, of ${count(found.repeats, 'picture')} shown again: the dashed line.`;
}
