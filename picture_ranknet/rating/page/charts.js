// The histogram of ratings, and the curve of what they tell.
import {el} from './page.js';

const SVG = 'http://www.w3.org/2000/svg';
const WIDTH = 220, HEIGHT = 90, LEFT = 34, BOTTOM = 18;

export function showHistogram(place, counts, levels) {
  const values = new Map(counts);
  for (let level = 1; level <= levels; level++) if (!values.has(level)) values.set(level, 0);
  const bars = [...values].sort((a, b) => a[0] - b[0]);
  const most = Math.max(1, ...bars.map(bar => bar[1]));
  const every = bars.length <= 10 ? 1 : bars.length <= 40 ? 5 : 20;  // more labels find no room
  place.classList.toggle('dense', every > 1);
  place.replaceChildren(...bars.map(([value, n]) => {
    const bar = el('i');
    bar.style.setProperty('--share', n ? Math.max(.04, n / most) : 0);
    const isLabelled = every === 1 || value === 1 || value % every === 0;
    return el('div', {title: `${n} rated ${value}`}, el('small', {}, every === 1 && n || ''), bar,
              el('span', {}, isLabelled ? String(value) : '\u00a0'));
  }));
}

export function showCurve(place, points) {
  if (points.length < 2) {
    place.replaceChildren();
    return;
  }
  const most = points.at(-1)[0];
  const accuracies = points.map(point => point[1]);
  const low = Math.min(.5, ...accuracies);
  const high = Math.max(low + .1, ...accuracies);
  const x = n => LEFT + (WIDTH - LEFT - 4) * n / most;
  const y = accuracy => 6 + (HEIGHT - BOTTOM - 6) * (high - accuracy) / (high - low);
  const svg = shape('svg', {viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: 'img',
                            'aria-label': 'Pairs predicted by the number of ratings'});
  for (const accuracy of [low, high]) {
    svg.append(shape('line', {x1: LEFT, x2: WIDTH, y1: y(accuracy), y2: y(accuracy)}),
               text(LEFT - 5, y(accuracy) + 4, `${Math.round(100 * accuracy)} %`, 'end'));
  }
  svg.append(
    text(LEFT, HEIGHT - 3, '0', 'start'), text(WIDTH - 2, HEIGHT - 3, most, 'end'),
    shape('polyline', {points: points.map(([n, a]) => `${x(n)},${y(a)}`).join(' ')}),
    shape('circle', {cx: x(most), cy: y(accuracies.at(-1)), r: 3}));
  place.replaceChildren(svg);
}

function shape(name, attributes) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

function text(x, y, content, anchor) {
  const element = shape('text', {x, y, 'text-anchor': anchor});
  element.textContent = content;
  return element;
}
