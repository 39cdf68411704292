// All pictures, best first. Only those in sight are in the page, however many there are.
import {ask, inTurn, isBusy} from './api.js';
import {$, el, thumbnail} from './dom.js';
import {watchDrags} from './drag.js';
import {session} from './state.js';
import {tell} from './status.js';
import {loadView, tagsOf, viewHint, viewOptions} from './views.js';
import {count} from './words.js';

const CELL = 5.75, GAP = .5, HEADER = 3;  // rem; cells grow to fill a line
const MARGIN = 400;                       // pixels that are drawn beyond those in sight
const MOMENT = 150;                       // ms from one picture's turn to its first answer
const ALL = 'all';

export class List {
  constructor(section, way) {
    this.section = section;
    this.way = way;
    this.isOrdered = session.mode === 'pairs';  // by places, not by ratings
    this.scroller = $('scroller');
    this.canvas = $('canvas');
    this.shown = new Map();   // number of a line: its element
    this.chosen = new Set();  // rows that the next key is for; `at` is the one that arrows move
    this.at = undefined;
    this.turnedAt = 0;        // when the page chose the next picture by itself
    this.filter = ALL;
    this.addsToChosen = false;  // a click does, as one with Ctrl
    this.view = null;         // groups that are shown in place of those of ratings
    this.groups = [];
    this.lines = [];
    this.hasViews = !this.isOrdered;
    $('filter').onchange = () => inTurn(() => this.applyFilter($('filter').value));
    this.scroller.addEventListener('scroll', () => this.render());
    new ResizeObserver(() => this.isOpen && this.lay()).observe(this.scroller);
    this.canvas.addEventListener('click', event => this.click(event));
    this.canvas.addEventListener('dblclick', event => this.visit(rowOf(event)));
    watchDrags(this.scroller, this.canvas, {
      mark: at => this.mark(at),
      drop: (row, at) => this.dropAt(row, at),
    });
  }

  get isOpen() {
    return !this.section.hidden;
  }

  async open(row) {
    this.section.hidden = false;
    await this.load();
    this.choose(row);
    if (row !== undefined) this.reveal(row, true);
  }

  close() {
    this.section.hidden = true;
  }

  async load() {
    this.groups = this.way.groups((await ask('ranking')).groups);
    this.view = await loadView(this.filter);
    this.showFilters();
    this.lay();
  }

  showFilters() {
    const option = (value, label, n) => el('option', {value, selected: value === this.filter},
                                           `${label} (${n.toLocaleString()})`);
    const sizes = this.groups.map(group => group.rows.length);
    $('filter').replaceChildren(
      option(ALL, 'All pictures', sizes.reduce((sum, n) => sum + n, 0)),
      ...this.groups.map((group, i) => option(String(group.key), group.label, sizes[i])),
      ...(this.hasViews ? [el('optgroup', {label: 'Worth a look'}, ...viewOptions().map(
        ([value, label]) => el('option', {value, selected: value === this.filter}, label)))] : []));
    $('list-hint').textContent = viewHint(this.filter) ?? this.way.listHint;
  }

  async applyFilter(filter) {
    this.filter = filter;
    this.view = await loadView(filter);
    this.showFilters();
    this.lay();
    this.scroller.scrollTop = 0;
    this.render();
    this.choose(this.visibleGroups.flatMap(group => group.rows.slice(0, 1))[0]);
    if (document.activeElement !== $('filter')) this.reveal(this.at, true);
  }

  /** Show a view, or if it is shown, all pictures again. */
  toggleView(name) {
    return this.applyFilter(this.filter === name ? ALL : name);
  }

  get visibleGroups() {
    return this.view ?? this.groups.filter(group => this.filter === ALL || String(group.key) === this.filter);
  }

  // Drawing

  /** Put headings and rows of cells at their heights. */
  lay() {
    const rem = parseFloat(getComputedStyle(document.documentElement).fontSize);
    this.gap = GAP * rem;
    const width = this.canvas.clientWidth;
    this.columns = Math.max(1, Math.floor((width + this.gap) / (CELL * rem + this.gap)));
    this.cell = (width + this.gap) / this.columns - this.gap;
    this.canvas.style.setProperty('--cell', `${this.cell}px`);
    this.lines = [];
    let y = 0;
    for (const group of this.visibleGroups) {
      this.lines.push({y, group, start: -1});
      y += HEADER * rem;
      for (let start = 0; start < group.rows.length; start += this.columns) {
        this.lines.push({y, group, start});
        y += this.cell + this.gap;
      }
    }
    this.headerHeight = HEADER * rem;
    this.canvas.style.height = `${y}px`;
    const hadFocus = this.canvas.contains(document.activeElement);
    for (const element of this.shown.values()) element.remove();
    this.shown.clear();
    this.render();
    if (hadFocus) this.cellOf(this.at)?.focus({preventScroll: true});
  }

  render() {
    const {scrollTop, clientHeight} = this.scroller;
    const first = this.lineAt(scrollTop - MARGIN);
    let last = first;
    while (last < this.lines.length && this.lines[last].y < scrollTop + clientHeight + MARGIN) {
      last++;
    }
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
    const top = this.lines.findLast(line => line.y <= scrollTop)?.group;
    $('heading').replaceChildren(...(top ? headingOf(top) : []));
  }

  /** The number of the first line that ends below a height. */
  lineAt(y) {
    let low = 0, high = this.lines.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.lines[middle].y + this.cell + this.gap < y) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  draw(line) {
    const {group, start} = line;
    const element = start < 0 ? el('h3', {}, ...headingOf(group)) :
      el('div', {className: 'line'},
         ...group.rows.slice(start, start + this.columns).map(row => this.drawCell(row, group)));
    element.line = line;
    element.style.transform = `translateY(${line.y}px)`;
    return element;
  }

  drawCell(row, group) {
    const cell = el('button', {
      className: 'cell', ariaLabel: this.way.nameOf(row), title: this.way.nameOf(row),
      tabIndex: row === this.at ? 0 : -1, ariaPressed: String(this.chosen.has(row))},
    thumbnail(row), ...(group.isView ?
      tagsOf(group.expected.get(row), this.way.shownRating(row)) : []));
    cell.dataset.row = row;
    return cell;
  }

  cellOf(row) {
    return this.canvas.querySelector(`.cell[data-row="${row}"]`);
  }

  // Choosing

  /** Where a row is: its group and its place there. */
  find(row, groups = [...(this.view ?? []), ...this.groups]) {
    for (const group of groups) {
      const place = group.rows.indexOf(row);
      if (place >= 0) return {group, place};
    }
    return {};
  }

  choose(row, rows = row === undefined ? [] : [row]) {
    this.at = row;
    this.chosen = new Set(rows);
    for (const cell of this.canvas.querySelectorAll('.cell')) {
      const its = Number(cell.dataset.row);
      cell.ariaPressed = String(this.chosen.has(its));
      cell.tabIndex = its === row ? 0 : -1;
    }
    if (rows.length > 1) tell(`${count(rows.length, 'picture')} chosen.`);
  }

  /** Bring a row into sight; with the focus, if the keyboard is used. */
  reveal(row, takesFocus = false) {
    const {group, place} = this.find(row);
    const line = this.lines.find(l => l.group === group && l.start >= 0 &&
                                 place < l.start + this.columns);
    if (!line) return;
    const {scrollTop, clientHeight} = this.scroller;
    const isHidden = line.y < scrollTop + this.headerHeight ||
      line.y + this.cell > scrollTop + clientHeight;
    if (isHidden) {
      this.scroller.scrollTop = line.y - (clientHeight - this.cell) / 2;
      this.render();
    }
    if (takesFocus) this.cellOf(row)?.focus({preventScroll: true});
  }

  click(event) {
    const row = rowOf(event);
    if (row === undefined) return;
    if (event.detail === 0) {
      this.visit(row);  // Enter on a cell
    } else if (event.shiftKey && !this.isOrdered) {
      this.choose(this.at, this.range(this.at, row));
    } else if ((event.ctrlKey || event.metaKey || this.addsToChosen) && !this.isOrdered) {
      const rows = new Set(this.chosen);
      if (!rows.delete(row)) rows.add(row);
      this.choose(row, [...rows]);
    } else {
      this.choose(row);
    }
  }

  /** All rows in sight of the filter from one to another. */
  range(from, to) {
    const rows = this.visibleGroups.flatMap(group => group.rows);
    const places = [rows.indexOf(from), rows.indexOf(to)].sort((a, b) => a - b);
    return rows.slice(Math.max(0, places[0]), places[1] + 1);
  }

  step(step, event) {
    const {group, place} = this.find(this.at);
    if (event.shiftKey && this.isOrdered && group) {
      const target = Math.min(group.rows.length - 1, Math.max(0, place + step));
      if (target !== place) inTurn(() => this.put([this.at], group, target));
      return;
    }
    const rows = this.visibleGroups.flatMap(g => g.rows);
    const from = rows.indexOf(this.at);
    const target = rows[from < 0 ? 0 : Math.min(rows.length - 1, Math.max(0, from + step))];
    if (target === undefined) return;
    if (event.shiftKey) this.choose(target, [...new Set([...this.chosen, target])]);
    else this.choose(target);
    this.reveal(target, true);
  }

  visit(row) {
    if (row === undefined || !this.way.visit) return;
    this.close();
    this.way.visit(row);
  }

  // Answers

  /** Do what a key means; false if it means nothing here. */
  press(key, event) {
    const steps = {ArrowLeft: -1, ArrowRight: 1, ArrowUp: -this.columns, ArrowDown: this.columns};
    if (key in steps) {
      this.step(steps[key], event);
      return true;
    }
    if (!this.chosen.size) return false;
    const isTyping = Boolean(this.way.digits?.typed);
    const found = this.way.listAnswer(key);
    if (!found) {
      if (isTyping && ['undo', 'Escape', 'Delete'].includes(key)) return true;
      if (key !== 'Enter') return false;
      this.visit(this.at);
      return true;
    }
    if (found.answer && this.canBeMeant(event)) {
      inTurn(() => this.answer([...this.chosen], found));
    }
    return true;
  }

  /** Whether a key can be meant for what is chosen: it is in sight, and has been for a moment. */
  canBeMeant(event) {
    const image = this.cellOf(this.at)?.firstElementChild;
    const {top, bottom} = this.scroller.getBoundingClientRect();
    const box = image?.getBoundingClientRect();
    const isInSight = image?.naturalWidth > 0 && box.bottom > top && box.top < bottom;
    if (isInSight && !isBusy() && event.timeStamp - this.turnedAt >= MOMENT) return true;
    tell('Not counted: that came before you could see the picture.');
    if (!isInSight) this.reveal(this.at);
    return false;
  }

  /** Answer pictures, and choose the one that takes their place. */
  async answer(rows, {group, answer}) {
    const last = this.find(rows.at(-1));
    const others = last.group?.rows.filter(row => !rows.includes(row)) ?? [];
    const nBefore = last.group?.rows.slice(0, last.place).filter(row => !rows.includes(row)).length;
    const next = others[nBefore] ?? others[nBefore - 1];
    for (const row of rows) {
      await answer(row);
      this.transfer(row, this.groups.find(g => g.key === group));
    }
    if (rows.length > 1) tell(`${count(rows.length, 'picture')} rated.`);
    this.turnedAt = performance.now();
    this.choose(next ?? rows[0]);
    this.reveal(this.at, true);
  }

  transfer(row, target, place = 0) {
    const {group} = this.find(row, this.groups);
    if (!target || !group) return;
    group.rows.splice(group.rows.indexOf(row), 1);
    target.rows.splice(place, 0, row);
    for (const shown of this.view ?? []) {
      if (shown.leaves && target.key !== null) shown.rows = shown.rows.filter(r => r !== row);
    }
    this.showFilters();
    this.lay();
  }

  /** Put rows into a group, and where there are places, at a place. */
  async put(rows, group, place) {
    for (const row of rows) {
      await this.way.drop(row, group, place);
      if (!this.isOrdered && group.key !== undefined) this.transfer(row, group);
    }
    if (this.isOrdered) await this.load();
    this.choose(rows[0]);
    this.reveal(rows[0]);
  }

  // Dragging

  dropAt(row, at) {
    const target = this.targetAt(at);
    if (!target || target.group.isView) return;
    const rows = this.chosen.has(row) ? [...this.chosen] : [row];
    const isElsewhere = this.isOrdered || this.find(row).group !== target.group;
    if (isElsewhere) inTurn(() => this.put(rows, target.group, target.place));
  }

  /** The group and place under the pointer. */
  targetAt({clientX, clientY}) {
    const box = this.canvas.getBoundingClientRect();
    if (clientX < box.left || clientX > box.right) return null;
    const y = clientY - box.top;
    const line = this.lines.findLast(l => l.y <= y) ?? this.lines[0];
    if (!line) return null;
    const column = Math.round((clientX - box.left) / (this.cell + this.gap));
    const place = line.start < 0 ? 0 :
      line.start + Math.min(this.columns, Math.max(0, column));
    return {group: line.group, place: Math.min(line.group.rows.length, place)};
  }

  mark(at) {
    const group = at && this.targetAt(at)?.group;
    for (const element of this.canvas.children) {
      element.classList.toggle('target', Boolean(group) && element.line.group === group);
    }
  }
}

function rowOf(event) {
  const cell = event.target.closest('.cell');
  return cell ? Number(cell.dataset.row) : undefined;
}

function headingOf(group) {
  return [group.label, el('small', {}, group.rows.length.toLocaleString())];
}
