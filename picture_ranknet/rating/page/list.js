// All pictures in order. However many there are, only those in sight are in the page.
import {$, el, inTurn, pictureUrl} from './page.js';

const CELL = 92, GAP = 8, HEADER = 48, MARGIN = 400;  // pixels; cells grow to fill a line
const DRAG_FROM = 6;       // pixels
const LONG_PRESS = 350;    // ms, by touch

export class List {
  constructor(section, way, session) {
    this.section = section;
    this.way = way;
    this.session = session;
    this.scroller = $('scroller');
    this.canvas = $('canvas');
    this.shown = new Map();  // number of a line: its element
    this.groups = [];
    this.lines = [];
    $('list-hint').textContent = way.listHint;
    this.scroller.addEventListener('scroll', () => this.render());
    new ResizeObserver(() => this.isOpen && this.lay()).observe(this.scroller);
    this.canvas.addEventListener('pointerdown', event => this.press(event));
    this.canvas.addEventListener('dblclick', event => this.look(event));
  }

  get isOpen() {
    return !this.section.hidden;
  }

  async open(row) {
    await this.load();
    this.section.hidden = false;
    this.selected = row;
    this.lay();
    if (row !== undefined) this.scrollTo(row);
    this.scroller.focus();
  }

  close() {
    this.section.hidden = true;
  }

  async load() {
    const answer = await (await fetch('ranking')).json();
    this.groups = this.way.groups(answer.groups);
    if (this.isOpen) this.lay();
  }

  /** Put headers and rows of cells at their heights. */
  lay() {
    const width = this.canvas.clientWidth;
    this.columns = Math.max(1, Math.floor((width + GAP) / (CELL + GAP)));
    this.cell = (width + GAP) / this.columns - GAP;
    this.canvas.style.setProperty('--cell', `${this.cell}px`);
    this.lines = [];
    let y = 0;
    for (const group of this.groups) {
      this.lines.push({y, group, start: -1});
      y += HEADER;
      for (let start = 0; start < group.rows.length; start += this.columns) {
        this.lines.push({y, group, start});
        y += this.cell + GAP;
      }
    }
    this.canvas.style.height = `${y}px`;
    for (const element of this.shown.values()) element.remove();
    this.shown.clear();
    this.render();
  }

  render() {
    const top = this.scroller.scrollTop - MARGIN;
    const bottom = this.scroller.scrollTop + this.scroller.clientHeight + MARGIN;
    const first = this.lineAt(top);
    let last = first;
    while (last < this.lines.length && this.lines[last].y < bottom) last++;
    for (const [number, element] of this.shown) {
      if (number < first || number >= last) {
        element.remove();
        this.shown.delete(number);
      }
    }
    for (let number = first; number < last; number++) {
      if (!this.shown.has(number)) {
        const element = this.draw(this.lines[number]);
        this.shown.set(number, element);
        this.canvas.append(element);
      }
    }
  }

  /** The number of the line at a height. */
  lineAt(y) {
    let low = 0, high = this.lines.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.lines[middle].y + this.cell + GAP < y) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  draw(line) {
    const {group, start} = line;
    let element;
    if (start < 0) {
      element = el('h3', {}, group.label, el('small', {}, group.rows.length.toLocaleString()));
    } else {
      element = el('div', {className: 'line'}, ...group.rows.slice(start, start + this.columns).map(
        row => {
          const cell = el('button', {className: 'cell', tabIndex: -1, title: `Picture ${row}`},
                          el('img', {src: pictureUrl(row, 'small'), alt: `Picture ${row}`,
                                     draggable: false, decoding: 'async'}));
          cell.dataset.row = row;
          cell.classList.toggle('selected', row === this.selected);
          return cell;
        }));
    }
    element.line = line;
    element.style.transform = `translateY(${line.y}px)`;
    return element;
  }

  /** Where a row is: its group and its place there. */
  find(row) {
    for (const group of this.groups) {
      const place = group.rows.indexOf(row);
      if (place >= 0) return {group, place};
    }
    return {};
  }

  select(row) {
    this.selected = row;
    for (const cell of this.canvas.querySelectorAll('.cell')) {
      cell.classList.toggle('selected', Number(cell.dataset.row) === row);
    }
  }

  scrollTo(row) {
    const {group, place} = this.find(row);
    const line = this.lines.find(l => l.group === group && l.start >= 0 &&
                                 place < l.start + this.columns);
    if (!line) return;
    const {scrollTop, clientHeight} = this.scroller;
    if (line.y < scrollTop || line.y + this.cell > scrollTop + clientHeight) {
      this.scroller.scrollTop = line.y - clientHeight / 2;
      this.render();
    }
    this.select(row);
  }

  onKey(key, event) {
    const steps = {ArrowLeft: -1, ArrowRight: 1, ArrowUp: -this.columns, ArrowDown: this.columns};
    if (key in steps) {
      this.step(steps[key], event.shiftKey && this.session.mode === 'pairs');
      return true;
    }
    if (this.selected === undefined) return false;
    const done = (row, rating) => this.moveOn(row, rating);
    if (this.way.onListKey(key, this.selected, done)) return true;
    if (key === 'Enter' && this.way.goTo) {
      this.close();
      this.way.goTo(this.selected);
      return true;
    }
    return false;
  }

  step(step, isCarrying) {
    const {group, place} = this.find(this.selected);
    if (isCarrying && group) {
      const target = Math.min(group.rows.length - 1, Math.max(0, place + step));
      if (target !== place) inTurn(() => this.put(this.selected, group, target));
      return;
    }
    const all = this.groups.flatMap(g => g.rows);
    const at = all.indexOf(this.selected);
    const target = all[at < 0 ? 0 : Math.min(all.length - 1, Math.max(0, at + step))];
    if (target !== undefined) this.scrollTo(target);
  }

  /** After a picture was rated by key, choose the one that took its place. */
  async moveOn(row, rating) {
    const {group, place} = this.find(row);
    const neighbour = group?.rows[place + 1] ?? group?.rows[place - 1];
    this.transfer(row, this.groups.find(g => g.key === rating));
    if (neighbour !== undefined) this.scrollTo(neighbour);
  }

  transfer(row, target, place = 0) {
    const {group} = this.find(row);
    if (!target || !group) return;
    group.rows.splice(group.rows.indexOf(row), 1);
    target.rows.splice(place, 0, row);
    this.lay();
  }

  async put(row, group, place) {
    await this.way.drop(row, group, place);
    if (this.session.mode === 'pairs') await this.load();
    else this.transfer(row, group);
    this.scrollTo(row);
  }

  // Dragging, by mouse at once and by touch after a long press

  press(event) {
    const cell = event.target.closest('.cell');
    if (!cell || event.button) return;
    const row = Number(cell.dataset.row);
    this.select(row);
    const from = {x: event.clientX, y: event.clientY};
    let ghost = null;
    const lift = () => {
      ghost = cell.firstElementChild.cloneNode();
      ghost.className = 'ghost';
      document.body.append(ghost);
      follow(event);
    };
    const follow = at => {
      ghost.style.transform = `translate(${at.clientX - 48}px, ${at.clientY - 48}px)`;
      this.mark(at);
    };
    const isTouch = event.pointerType === 'touch';
    const timer = isTouch ? setTimeout(lift, LONG_PRESS) : 0;
    const move = at => {
      const distance = Math.hypot(at.clientX - from.x, at.clientY - from.y);
      if (ghost) follow(at);
      else if (distance > DRAG_FROM && isTouch) end();
      else if (distance > DRAG_FROM) lift();
    };
    const hold = touch => ghost && touch.preventDefault();  // no scrolling while carried
    const end = () => {
      clearTimeout(timer);
      ghost?.remove();
      this.mark(null);
      removeEventListener('pointermove', move);
      removeEventListener('pointerup', drop);
      removeEventListener('pointercancel', end);
      this.scroller.removeEventListener('touchmove', hold);
    };
    const drop = at => {
      const isCarried = Boolean(ghost);
      end();
      const target = isCarried && this.targetAt(at);
      if (target) inTurn(() => this.put(row, target.group, target.place));
    };
    addEventListener('pointermove', move);
    addEventListener('pointerup', drop);
    addEventListener('pointercancel', end);
    this.scroller.addEventListener('touchmove', hold, {passive: false});
  }

  /** The group and place under the pointer. */
  targetAt({clientX, clientY}) {
    const box = this.canvas.getBoundingClientRect();
    if (clientX < box.left || clientX > box.right) return null;
    const y = clientY - box.top;
    let line = null;
    for (let number = this.lineAt(y); number < this.lines.length; number++) {
      if (this.lines[number].y > y) break;
      line = this.lines[number];
    }
    line ??= this.lines.findLast(l => l.y <= y);
    if (!line) return null;
    const column = Math.round((clientX - box.left) / (this.cell + GAP));
    const place = Math.min(line.group.rows.length, Math.max(0, line.start) +
                           (line.start < 0 ? 0 : Math.min(this.columns, Math.max(0, column))));
    return {group: line.group, place};
  }

  mark(at) {
    const group = at && this.targetAt(at)?.group;
    for (const element of this.canvas.children) {
      element.classList.toggle('target', Boolean(group) && element.line.group === group);
    }
    if (!at) return;
    const box = this.scroller.getBoundingClientRect();
    if (at.clientY < box.top + 40) this.scroller.scrollTop -= 24;
    if (at.clientY > box.bottom - 40) this.scroller.scrollTop += 24;
  }

  look(event) {
    const cell = event.target.closest('.cell');
    if (!cell || !this.way.goTo) return;
    this.close();
    this.way.goTo(Number(cell.dataset.row));
  }
}
