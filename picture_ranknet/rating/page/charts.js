// The histogram of ratings, and the curve of how well they predict.
import {el} from './dom.js';
import {percent} from './words.js';

const SVG = 'http://www.w3.org/2000/svg';
const WIDTH = 220, HEIGHT = 90, LEFT = 34, BOTTOM = 18;

/** Show how often each level was given; counts: of level 1, 2, ... */
export function showHistogram(place, counts) {
  const most = Math.max(1, ...counts);
  const every = counts.length <= 10 ? 1 : counts.length <= 40 ? 5 : 20;  // room for labels
  place.role = 'img';
  place.ariaLabel = counts.map((n, i) => n && `${n} rated ${i + 1}`).filter(Boolean).join(', ') ||
    'No ratings yet';
  place.classList.toggle('dense', every > 1);
  place.replaceChildren(...counts.map((n, i) => {
    const level = i + 1;
    const bar = el('i');
    bar.style.setProperty('--share', n ? Math.max(.04, n / most) : 0);
    const isLabelled = level === 1 || level % every === 0;
    return el('div', {title: `${n} rated ${level}`}, el('small', {}, every === 1 && n || ''), bar,
              el('span', {}, isLabelled ? String(level) : '\u00a0'));
  }));
}

/**
 * Show pair accuracy by the number of ratings.
 *
 * @param {Element} place
 * @param {number[][]} points - Pairs of both.
 * @param {?number} ceiling - How far the person agrees with themselves; a line above the curve.
 */
export function showCurve(place, points, ceiling = null) {
  if (points.length < 2) {
    place.replaceChildren();
    return;
  }
  const most = points.at(-1)[0];
  const accuracies = points.map(point => point[1]);
  const low = Math.min(.5, ...accuracies);
  const high = Math.max(low + .1, ...accuracies, ceiling ?? 0);
  const x = n => LEFT + (WIDTH - LEFT - 4) * n / most;
  const y = accuracy => 6 + (HEIGHT - BOTTOM - 6) * (high - accuracy) / (high - low);
  const svg = shape('svg', {
    viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: 'img', 'aria-label':
      `Pair accuracy: ${percent(accuracies[0])} after ${points[0][0]} ratings, ` +
      `${percent(accuracies.at(-1))} after ${most}` +
      (ceiling === null ? '' : `; you agree with yourself in ${percent(ceiling)}`)});
  for (const accuracy of [low, high]) {
    svg.append(shape('line', {x1: LEFT, x2: WIDTH, y1: y(accuracy), y2: y(accuracy)}),
               label(LEFT - 5, y(accuracy) + 4, percent(accuracy), 'end'));
  }
  if (ceiling !== null) {
    svg.append(
      shape('line', {class: 'ceiling', x1: LEFT, x2: WIDTH, y1: y(ceiling), y2: y(ceiling)}),
      ...(high - ceiling < .02 ? [] : [label(LEFT - 5, y(ceiling) + 4, percent(ceiling), 'end')]));
  }
  svg.append(
    label(LEFT, HEIGHT - 3, '0', 'start'), label(WIDTH - 2, HEIGHT - 3, most, 'end'),
    shape('polyline', {points: points.map(([n, a]) => `${x(n)},${y(a)}`).join(' ')}),
    shape('circle', {cx: x(most), cy: y(accuracies.at(-1)), r: 3}));
  place.replaceChildren(svg);
}

function shape(name, attributes) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

function label(x, y, content, anchor) {
  const element = shape('text', {x, y, 'text-anchor': anchor});
  element.textContent = content;
  return element;
}
