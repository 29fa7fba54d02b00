// The small charts: each shows one or two figures over the last ten minutes. Large type shows
// the current values, or those of the moment under the pointer or chosen with the keyboard.

import uPlot from './vendor/uPlot-1.6.32/uPlot.esm.js';
import { t } from './lang.js';
import { count, rate, share, bytes, millis, clock } from './format.js';

const KEPT = 600; // figures
const LEAST = 60; // minimum span of the charts, in seconds
const HEIGHT = 120;
const GAP = 3000; // milliseconds without figures after which the line has a gap

// Steps between the lines of a chart: whole numbers, or whole binary units.
const whole = [1, 2, 5].flatMap((n) => Array.from({ length: 10 }, (_, e) => n * 10 ** e)).sort((a, b) => a - b);
const binary = Array.from({ length: 45 }, (_, e) => 2 ** e);

// since returns the growth of a counter since the previous figures.
const since = (of) => (f, before) => before && !before.gap ? Math.max(0, of(f) - of(before)) : 0;

// lone finds the values without neighbours on either side, which a line would not show.
const lone = (u, series) => {
  const values = u.data[series];
  return values.flatMap((v, i) => v != null && values[i - 1] == null && values[i + 1] == null ? [i] : []);
};

// Each chart has its lines, the format of their values, the steps and the minimum span of its
// scale, and an optional note.
const CHARTS = [
  { name: 'connections', format: count, steps: whole, least: 4, lines: [{ of: (f) => f.connections }],
    more: (f) => t('inRooms', { members: count(f.members), rooms: count(f.rooms) }) },
  { name: 'in', format: rate, unit: 'perSecond', steps: whole, least: 4, lines: [{ of: (f) => f.in }],
    more: (f) => f.store && t('storeFault', { why: f.store }) },
  { name: 'out', format: rate, unit: 'perSecond', steps: whole, least: 4, lines: [{ of: (f) => f.out }, { name: 'delivered', of: (f) => f.delivered }] },
  { name: 'written', format: millis, least: 1, lines: [{ name: 'p50', of: (f) => f.p50 }, { name: 'p99', of: (f) => f.p99 }] },
  { name: 'queued', format: bytes, steps: binary, least: 1024, lines: [{ of: (f) => f.queued }], more: (f) => t('lagging', { n: count(f.lagging) }) },
  { name: 'evicted', format: count, unit: 'perSecond', steps: whole, least: 4, lines: [{ of: since((f) => f.evicted + f.slow) }],
    more: (f) => t('evictedAll', { slow: count(f.slow), evicted: count(f.evicted) }) },
  { name: 'memory', format: bytes, unit: 'perConnection', steps: binary, least: 1024, lines: [{ of: (f) => f.per_conn || null }],
    more: (f) => t('memoryAll', { heap: bytes(f.heap), rss: bytes(f.memory) }) },
  { name: 'busy', format: share, steps: whole, least: 2, lines: [{ of: (f) => f.busy }],
    more: (f) => t('workers', { workers: count(f.workers), goroutines: count(f.goroutines) }) },
];

const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

export class Charts {
  #figures = []; // the oldest first; {gap} marks missing figures
  #cards = []; #moment; #told;
  #at = null; // the index under the pointer
  #chosen = null; // the moment chosen by the keys

  // moment is called with the moment that is shown; told, with all figures of a moment chosen with the keyboard.
  constructor(place, moment, told) {
    this.#moment = moment;
    this.#told = told;
    place.addEventListener('keydown', (e) => this.#key(e));
    place.addEventListener('blur', () => this.#choose(null));
    for (const chart of CHARTS) this.#cards.push(new Card(chart, place, (at) => this.#point(at)));
    new ResizeObserver(() => this.fit()).observe(place);
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.#cards.forEach((c) => c.plot.redraw(false)));
    document.addEventListener('visibilitychange', () => this.#draw());
  }

  // clear removes all figures.
  clear() {
    this.#figures = [];
    this.#draw();
  }

  // add appends figures. It first removes figures that are not older than the new ones: the server
  // has sent those again, or its clock has been set back.
  add(figures) {
    for (const f of figures) {
      while (this.#figures.at(-1)?.at >= f.at) this.#figures.pop();
      const last = this.#figures.at(-1);
      if (last && f.at - last.at > GAP) this.#figures.push({ at: last.at + 1, gap: true });
      this.#figures.push(f);
    }
    this.#figures = this.#figures.slice(-KEPT);
    this.#draw();
  }

  // fit sets the width of the charts to that of their cards.
  fit() { this.#cards.forEach((c) => c.fit()); }

  // translate writes all texts in the current language.
  translate() {
    this.#cards.forEach((c) => c.translate());
    this.#draw();
  }

  #draw() {
    if (document.hidden) return; // draw when the page is visible again
    const times = this.#figures.map((f) => f.at / 1000);
    for (const c of this.#cards) c.draw(times, this.#figures);
    if (this.#chosen != null) this.#mark();
    this.#words();
  }

  #point(at) {
    if (at === this.#at) return;
    this.#at = at;
    this.#words();
  }

  // key moves the chosen moment.
  #key(e) {
    const seen = this.#figures.filter((f) => !f.gap).map((f) => f.at);
    const now = this.#chosen == null ? seen.length - 1 : seen.findLastIndex((at) => at <= this.#chosen);
    const next = { ArrowLeft: now - 1, ArrowRight: now + 1, PageUp: now - 10, PageDown: now + 10, Home: 0, End: seen.length - 1, Escape: -1 }[e.key];
    if (next === undefined || seen.length === 0) return;
    e.preventDefault();
    this.#choose(e.key === 'Escape' ? null : seen[Math.max(0, Math.min(next, seen.length - 1))]);
    if (this.#chosen != null) this.#told.textContent = [this.#moment.textContent, ...this.#cards.map((c) => c.told())].join('; ');
  }

  #choose(at) {
    if (at === this.#chosen) return;
    this.#chosen = at;
    this.#told.textContent = '';
    this.#mark();
  }

  // mark moves the line of all charts to the chosen moment.
  #mark() {
    this.#cards.forEach((c) => c.mark(this.#chosen));
    this.#point(this.#chosen == null ? null : this.#figures.findLastIndex((f) => f.at <= this.#chosen));
  }

  #words() {
    const i = this.#at != null && this.#at >= 0 && this.#at < this.#figures.length ? this.#at : this.#figures.length - 1;
    const f = this.#figures[i];
    this.#moment.textContent = f ? t(i === this.#at ? 'atMoment' : 'upTo', { time: clock(f.at) }) : t('noFigures');
    for (const c of this.#cards) c.words(f, this.#figures[i - 1]);
  }
}

// A Card is one chart with its texts.
class Card {
  constructor(chart, place, point) {
    this.chart = chart;
    this.figure = document.createElement('figure');
    this.figure.dataset.chart = chart.name;
    this.title = document.createElement('figcaption');
    this.subject = document.createElement('span');
    this.unit = document.createElement('span');
    this.unit.className = 'label';
    this.title.append(this.subject, ' ', this.unit);
    this.values = chart.lines.map((line, i) => {
      const value = document.createElement('span');
      value.className = 'value line' + i;
      value.label = document.createElement('span');
      value.label.className = 'label';
      value.number = document.createElement('strong');
      value.append(value.label, value.number);
      return value;
    });
    const big = document.createElement('p');
    big.className = 'values';
    big.append(...this.values);
    this.more = document.createElement('p');
    this.more.className = 'note';
    this.place = document.createElement('div');
    this.place.className = 'plot';
    this.place.ariaHidden = 'true'; // the texts say the same for screen readers
    this.figure.append(this.title, big, this.place, this.more);
    place.append(this.figure);
    this.plot = new uPlot(this.options(point), [[], ...chart.lines.map(() => [])], this.place);
  }

  options(point) {
    const axis = { stroke: () => css('--faint'), font: '11px system-ui, sans-serif', ticks: { show: false } };
    return {
      width: 240, height: HEIGHT, legend: { show: false }, padding: [8, 26, 0, 0],
      cursor: { sync: { key: 'live' }, y: false, drag: { x: false, y: false }, points: { size: 6 } },
      hooks: { setCursor: [(u) => point(u.cursor.idx ?? null)] },
      scales: {
        x: { time: true, range: (u) => this.span(u.data[0]) },
        y: { range: (u, min, max) => [0, Math.max(this.chart.least, max * 1.1)] },
      },
      axes: [
        { ...axis, grid: { show: false }, size: 24, gap: 7, space: 64, values: (u, ticks) => ticks.map((s) => clock(s * 1000)) },
        { ...axis, grid: { stroke: () => css('--line'), width: 1 }, size: 58, gap: 4, space: 28, ...(this.chart.steps && { incrs: this.chart.steps }), values: (u, ticks) => ticks.map((v) => this.chart.format(v)) },
      ],
      series: [{}, ...this.chart.lines.map((_, i) => ({
        stroke: () => css('--line' + i), width: 1.5, points: { show: true, size: 4, filter: lone },
        fill: i === 0 && this.chart.lines.length === 1 ? () => css('--area') : undefined,
      }))],
    };
  }

  // span returns the time range of the chart.
  span(times) {
    const last = times.at(-1) ?? Date.now() / 1000;
    return [Math.min(times[0] ?? last, last - LEAST), last];
  }

  fit() {
    const width = this.place.clientWidth;
    if (width > 0 && width !== this.plot.width) this.plot.setSize({ width, height: HEIGHT });
  }

  draw(times, figures) {
    this.plot.setData([times, ...this.chart.lines.map((line) => figures.map((f, i) => f.gap ? null : line.of(f, figures[i - 1])))]);
  }

  // mark moves the line to a moment; null removes it.
  mark(at) {
    this.plot.setCursor({ left: at == null ? -10 : this.plot.valToPos(at / 1000, 'x'), top: at == null ? -10 : 0 }, false);
  }

  // told returns the texts of the card in one line.
  told() { return this.figure.innerText.replace(/\s+/g, ' ').trim(); }

  words(f, before) {
    if (f?.gap) f = undefined;
    this.chart.lines.forEach((line, i) => { this.values[i].number.textContent = f ? this.chart.format(line.of(f, before)) : '–'; });
    this.more.textContent = (f && this.chart.more?.(f)) || '';
  }

  translate() {
    this.subject.textContent = t('chart_' + this.chart.name);
    this.unit.textContent = this.chart.unit ? t(this.chart.unit) : '';
    this.chart.lines.forEach((line, i) => { this.values[i].label.textContent = line.name ? t(line.name) : ''; });
    this.plot.redraw(false, true);
  }
}
