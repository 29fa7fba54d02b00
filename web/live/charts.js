// The small charts: each shows one or two figures over the last ten minutes, and in
// large type those of now, or of the moment under the pointer.

import uPlot from './vendor/uPlot-1.6.32/uPlot.esm.js';
import { t } from './lang.js';
import { count, rate, bytes, millis, clock, tick } from './format.js';

const KEPT = 600; // figures
const LEAST = 60; // seconds that the charts span at first
const HEIGHT = 110;

// Steps between the lines of a chart: whole numbers, or whole binary units.
const whole = [1, 2, 5].flatMap((n) => Array.from({ length: 10 }, (_, e) => n * 10 ** e)).sort((a, b) => a - b);
const binary = Array.from({ length: 45 }, (_, e) => 2 ** e);

// since is what a counter has grown by, a figure before.
const since = (of) => (f, before) => before ? Math.max(0, of(f) - of(before)) : 0;

// Each chart: its lines, how their values are written, the steps of its scale and the
// least that it spans, whether one value alone is to be seen (dots), and what else
// there is to say.
const CHARTS = [
  { name: 'connections', format: count, steps: whole, least: 4, lines: [{ of: (f) => f.connections }],
    more: (f) => t('inRooms', { members: count(f.members), rooms: count(f.rooms) }) },
  { name: 'messages', format: rate, unit: 'perSecond', steps: whole, least: 4, lines: [{ name: 'in', of: (f) => f.in }, { name: 'out', of: (f) => f.out }] },
  { name: 'delivered', format: rate, unit: 'perSecond', steps: whole, least: 4, lines: [{ of: (f) => f.delivered }] },
  { name: 'written', format: millis, dots: true, least: 1, lines: [{ name: 'p50', of: (f) => f.p50 }, { name: 'p99', of: (f) => f.p99 }] },
  { name: 'queued', format: bytes, steps: binary, least: 1024, lines: [{ of: (f) => f.queued }], more: (f) => t('lagging', { n: count(f.lagging) }) },
  { name: 'evicted', format: count, unit: 'perSecond', steps: whole, least: 4, lines: [{ of: since((f) => f.evicted + f.slow) }],
    more: (f) => t('evictedAll', { slow: count(f.slow), evicted: count(f.evicted) }) },
  { name: 'memory', format: bytes, unit: 'perConnection', steps: binary, least: 1024, lines: [{ of: (f) => f.per_conn || null }],
    more: (f) => t('memoryAll', { heap: bytes(f.heap), rss: bytes(f.memory) }) },
  { name: 'busy', format: count, steps: whole, least: 2, lines: [{ of: (f) => f.busy }],
    more: (f) => t('workers', { workers: count(f.workers), goroutines: count(f.goroutines) }) },
];

const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

export class Charts {
  #figures = []; #cards = []; #moment; #at = null; // the index under the pointer

  constructor(place, moment) {
    this.#moment = moment;
    for (const chart of CHARTS) this.#cards.push(new Card(chart, place, (at) => this.#point(at)));
    new ResizeObserver(() => this.fit()).observe(place);
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.#cards.forEach((c) => c.plot.redraw(false)));
    document.addEventListener('visibilitychange', () => this.#draw());
  }

  // replace shows these figures instead of what was there.
  replace(figures) {
    this.#figures = figures.slice(-KEPT);
    this.#draw();
  }

  // add shows one second more.
  add(figure) {
    if (figure.at <= (this.#figures.at(-1)?.at ?? 0)) return;
    this.#figures.push(figure);
    if (this.#figures.length > KEPT) this.#figures.shift();
    this.#draw();
  }

  // fit gives the charts the width of their cards.
  fit() { this.#cards.forEach((c) => c.fit()); }

  // translate writes all words again.
  translate() {
    this.#cards.forEach((c) => c.translate());
    this.#draw();
  }

  #draw() {
    if (document.hidden) return; // it is drawn when somebody looks
    const times = this.#figures.map((f) => f.at / 1000);
    for (const c of this.#cards) c.draw(times, this.#figures);
    this.#words();
  }

  #point(at) {
    if (at === this.#at) return;
    this.#at = at;
    this.#words();
  }

  #words() {
    const i = this.#at != null && this.#at < this.#figures.length ? this.#at : this.#figures.length - 1;
    const f = this.#figures[i];
    this.#moment.textContent = f ? t(i === this.#at ? 'atMoment' : 'upTo', { time: clock(f.at) }) : t('noFigures');
    for (const c of this.#cards) c.words(f, this.#figures[i - 1]);
  }
}

// A Card is one chart with its words.
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
    this.place.ariaHidden = 'true'; // the words say what there is now
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
        { ...axis, grid: { show: false }, size: 18, gap: 2, space: 64, values: (u, ticks) => ticks.map((s) => tick(s * 1000)) },
        { ...axis, grid: { stroke: () => css('--line'), width: 1 }, size: 58, gap: 4, space: 28, ...(this.chart.steps && { incrs: this.chart.steps }), values: (u, ticks) => ticks.map((v) => this.chart.format(v)) },
      ],
      series: [{}, ...this.chart.lines.map((_, i) => ({
        stroke: () => css('--line' + i), width: 1.5, points: { show: Boolean(this.chart.dots), size: 4 }, spanGaps: true,
        fill: i === 0 && this.chart.lines.length === 1 ? () => css('--area') : undefined,
      }))],
    };
  }

  // span is the time that the chart shows.
  span(times) {
    const last = times.at(-1) ?? Date.now() / 1000;
    return [Math.min(times[0] ?? last, last - LEAST), last];
  }

  fit() {
    const width = this.place.clientWidth;
    if (width > 0 && width !== this.plot.width) this.plot.setSize({ width, height: HEIGHT });
  }

  draw(times, figures) {
    this.plot.setData([times, ...this.chart.lines.map((line) => figures.map((f, i) => line.of(f, figures[i - 1])))]);
  }

  words(f, before) {
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
