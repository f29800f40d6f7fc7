// Live figures and sortable tables. All words come from the page; names are only ever set as text.
const NARROW = 600; // CSS pixels up to which a figure takes its narrow form
const LEGENDS = ["tone", "line"]; // the columns whose words legends hold
const ENTRIES = ".role-legend-label text, .role-legend-symbol path";
const SVG = "http://www.w3.org/2000/svg";
const SHARP = 3; // pixels of a saved PNG to one of the screen
const SETTLED = 150; // milliseconds without a change of width before figures are drawn anew

// Columns travel as lists, as words with their numbers, or as (value, how many).
function unpacked(column) {
  if (Array.isArray(column)) return column;
  if (column.repeats) {
    const values = [];
    for (let place = 0; place < column.repeats.length; place += 2)
      for (let count = column.repeats[place + 1]; count > 0; count--) values.push(column.repeats[place]);
    return values;
  }
  return unpacked(column.codes).map((code) => (code < 0 ? null : column.words[code]));
}

// {share, less} stands for a width: a share of the place less the pixels that axes take.
function sized(value, width) {
  if (Array.isArray(value)) return value.map((one) => sized(one, width));
  if (value === null || typeof value !== "object") return value;
  if ("share" in value) return Math.floor(value.share * width - value.less);
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, sized(one, width)]));
}

const hint = document.createElement("div");
hint.className = "hint";
hint.hidden = true;
hint.setAttribute("aria-hidden", "true");
document.body.append(hint);

function tell(event, value) {
  hint.hidden = value === null || value === undefined || value === "";
  if (hint.hidden) return;
  const pairs = typeof value === "object" ? Object.entries(value) : [["", value]];
  hint.replaceChildren(
    ...pairs.map(([name, shown]) => {
      const line = document.createElement("div");
      const label = document.createElement("span");
      label.textContent = name;
      line.append(label, ` ${shown}`);
      return line;
    }),
  );
  const edge = 12;
  const left = Math.min(event.clientX + edge, innerWidth - hint.offsetWidth - edge);
  const below = event.clientY + edge + hint.offsetHeight < innerHeight;
  hint.style.left = `${Math.max(edge, left)}px`;
  hint.style.top = `${below ? event.clientY + edge : event.clientY - edge - hint.offsetHeight}px`;
}

const entry = (item) => (item.datum.datum ?? item.datum).value; // what a legend's symbol or label stands for

// The dots of a view that a pointer may be told of, each with its place and that of its panel.
function* dots(mark, x, y, panel) {
  for (const item of mark.items) {
    if (mark.marktype === "group") {
      const [left, top] = [x + (item.x ?? 0), y + (item.y ?? 0)];
      const own = { left, top, right: left + item.width, bottom: top + item.height };
      for (const part of item.items) yield* dots(part, left, top, own);
    } else if (mark.marktype === "symbol" && item.tooltip) yield { x: x + item.x, y: y + item.y, panel, item };
  }
}

class Figure {
  constructor(element) {
    this.element = element;
    this.plot = element.querySelector(".plot");
    this.inputs = [...element.querySelectorAll("[data-control]")];
    this.source = document.getElementById(element.dataset.live);
    this.width = 0;
    this.hidden = new Set(); // entries of legends that a reader does not want to see
    this.plot.addEventListener("click", (event) => this.toggle(event.target.__data__));
    this.plot.addEventListener("pointermove", (event) => this.near(event));
    this.plot.addEventListener("pointerleave", (event) => {
      tell(event, null);
      this.ring(null);
    });
    this.figure = element.closest("figure");
    this.figure.querySelectorAll("[data-save]").forEach((button) =>
      button.addEventListener("click", () => this.save(button.dataset.save)),
    );
  }

  async start() {
    Object.assign(this, JSON.parse(this.source.textContent));
    this.names = Object.keys(this.columns);
    this.columns = Object.fromEntries(this.names.map((name) => [name, unpacked(this.columns[name])]));
    this.inputs.forEach((input) => input.addEventListener("input", () => this.answer(input)));
    this.element.hidden = false;
    try {
      await this.draw();
    } catch (error) {
      this.element.hidden = true; // the picture stays
      throw error;
    }
    this.figure.classList.add("is-live");
  }

  async draw() {
    this.width = this.plot.clientWidth;
    const spec = sized(this.width <= NARROW ? this.narrow : this.wide, this.width);
    this.filter();
    const tooltip = (handler, event, item, value) => item?.mark.marktype !== "symbol" && tell(event, value);
    const options = { actions: false, renderer: "svg", ast: true, defaultStyle: false, tooltip };
    const result = await vegaEmbed(this.plot, { ...spec, datasets: { rows: this.rows } }, options);
    this.view?.finalize();
    this.view = result.view;
    this.plot.querySelector("svg").setAttribute("aria-hidden", "true"); // the element around it says what it shows
    this.signals();
    this.say();
    this.dots = null; // found when a pointer first asks
    await this.view.runAsync();
    this.dim();
    if (this.controls.some((control) => control.kind === "pick"))
      this.view.addEventListener("pointermove", (event, item) => this.point(item));
  }

  // The rows that have every chosen value, or stand beside all of them; sliders then run over what is left.
  filter() {
    const wanted = this.controls
      .map((control, place) => [this.columns[control.column], this.inputs[place].value, control.kind])
      .filter(([, value, kind]) => kind === "select" && value !== "");
    const legends = LEGENDS.map((name) => this.columns[name]).filter(Boolean);
    const length = this.columns[this.names[0]].length;
    this.rows = [];
    for (let row = 0; row < length; row++) {
      if (!wanted.every(([values, value]) => values[row] === null || String(values[row]) === value)) continue;
      if (legends.some((values) => this.hidden.has(values[row]))) continue;
      this.rows.push(Object.fromEntries(this.names.map((name) => [name, this.columns[name][row]])));
    }
    this.stops = this.controls.map((control, place) => {
      if (control.kind !== "pick") return null;
      const stops = [...new Set(this.rows.map((row) => row[control.column]))].sort((one, two) => one - two);
      const input = this.inputs[place];
      const value = input.dataset.value === undefined ? stops[0] : Number(input.dataset.value);
      input.max = stops.length - 1;
      this.slide(place, stops, value);
      return stops;
    });
  }

  slide(place, stops, value) {
    const input = this.inputs[place];
    let nearest = 0;
    stops.forEach((stop, index) => {
      if (Math.abs(stop - value) < Math.abs(stops[nearest] - value)) nearest = index;
    });
    input.value = nearest;
    input.dataset.value = stops[nearest] ?? "";
    input.setAttribute("aria-valuetext", input.dataset.value);
    input.parentElement.querySelector("output").textContent = input.dataset.value;
  }

  signals() {
    this.controls.forEach((control, place) => {
      const input = this.inputs[place];
      if (control.kind === "pick") {
        this.view.signal(control.column, Number(input.dataset.value));
        return;
      }
      this.set(control.options[input.value]?.signals);
    });
    const chosen = (column) => this.inputs.find((input) => input.dataset.control === column)?.value;
    const fits = ([column, value]) => [undefined, value].includes(chosen(column));
    this.set(this.scales?.find((scale) => Object.entries(scale.when).every(fits))?.signals);
  }

  set(signals) {
    Object.entries(signals ?? {}).forEach(([name, value]) => this.view.signal(name, value));
  }

  // What is said of the figure, and the file for print beside it, follow what is chosen.
  say() {
    const answers = this.controls.map((control, place) => control.options?.[this.inputs[place].value] ?? {});
    const note = this.figure.querySelector(".note");
    if (note) {
      const said = [...answers.map((answer) => answer.note), note.dataset.note].filter(Boolean);
      note.textContent = said.join(note.dataset.between);
    }
    const file = answers.map((answer) => answer.file).find(Boolean);
    const link = this.figure.querySelector("figcaption a");
    if (file && link) link.href = file;
  }

  // Hide what an entry of a legend stands for, or show it again.
  async toggle(item) {
    if (!item?.mark?.role?.startsWith("legend")) return;
    const value = entry(item);
    if (!this.hidden.delete(value)) this.hidden.add(value);
    await this.refresh();
  }

  async refresh() {
    this.dots = null;
    this.filter();
    this.view.data("rows", this.rows);
    this.signals();
    await this.view.runAsync();
    this.dim();
  }

  // Entries of legends whose rows are hidden are pale.
  dim() {
    this.plot.querySelectorAll(ENTRIES).forEach((node) => {
      node.style.opacity = this.hidden.has(entry(node.__data__)) ? 0.3 : "";
    });
  }

  // Tell of the dot nearest to a pointer that is on a panel.
  near(event) {
    if (!this.view) return;
    this.dots ??= [...dots(this.view.scenegraph().root, 0, 0)];
    if (!this.dots.length) return;
    const svg = this.plot.querySelector("svg");
    const place = svg.getBoundingClientRect();
    const scale = svg.viewBox.baseVal.width / place.width;
    const { e: left, f: top } = svg.querySelector("g").transform.baseVal.consolidate().matrix;
    const [x, y] = [(event.clientX - place.left) * scale - left, (event.clientY - place.top) * scale - top];
    const far = (dot) => (dot.x - x) ** 2 + (dot.y - y) ** 2;
    let found = null;
    for (const dot of this.dots) {
      const { panel } = dot;
      if (x < panel.left || x > panel.right || y < panel.top || y > panel.bottom) continue;
      if (!found || far(dot) < far(found)) found = dot;
    }
    tell(event, found?.item.tooltip);
    this.ring(found, svg, left, top);
  }

  ring(dot, svg, left, top) {
    this.mark?.remove();
    if (!dot) return;
    this.mark = document.createElementNS(SVG, "circle");
    const look = { cx: left + dot.x, cy: top + dot.y, r: 5, fill: "none", stroke: "currentColor", "pointer-events": "none" };
    Object.entries(look).forEach(([name, value]) => this.mark.setAttribute(name, value));
    svg.append(this.mark);
  }

  // Save the figure as it is seen, its colours those of the theme, on the page's paper.
  async save(form) {
    const shown = this.plot.querySelector("svg");
    const copy = shown.cloneNode(true);
    const originals = [...shown.querySelectorAll("*")];
    [...copy.querySelectorAll("*")].forEach((node, place) => {
      const style = getComputedStyle(originals[place]);
      for (const name of ["fill", "stroke"]) if (node.hasAttribute(name)) node.setAttribute(name, style[name]);
    });
    const { width, height } = shown.getBoundingClientRect();
    const paper = document.createElementNS(SVG, "rect");
    Object.entries({ width: "100%", height: "100%", fill: getComputedStyle(document.body).backgroundColor }).forEach(
      ([name, value]) => paper.setAttribute(name, value),
    );
    copy.prepend(paper);
    copy.setAttribute("xmlns", SVG);
    const source = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(new XMLSerializer().serializeToString(copy))}`;
    const link = document.createElement("a");
    link.download = `${this.source.id.replace("live-", "")}.${form}`;
    link.href = source;
    if (form === "png") {
      const image = new Image();
      image.src = source;
      await image.decode();
      const canvas = document.createElement("canvas");
      [canvas.width, canvas.height] = [SHARP * width, SHARP * height];
      canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
      link.href = canvas.toDataURL("image/png");
    }
    link.click();
  }

  async answer(input) {
    const place = this.inputs.indexOf(input);
    if (this.controls[place].kind === "pick") {
      this.slide(place, this.stops[place], this.stops[place][input.value]);
      this.signals();
      await this.view.runAsync();
    } else {
      this.say();
      await this.refresh();
    }
  }

  // Choose what a link asks for, as far as it can be chosen.
  async choose(wanted) {
    for (const input of this.inputs) {
      const value = wanted.get(input.dataset.control);
      if (value === null || ![...(input.options ?? [])].some((option) => option.value === value)) continue;
      input.value = value;
      if (this.view) await this.answer(input);
    }
  }

  point(item) {
    if (!item?.datum) return;
    let changed = false;
    this.controls.forEach((control, place) => {
      const value = item.datum[control.column];
      if (control.kind !== "pick" || value === undefined || this.inputs[place].dataset.value === String(value)) return;
      this.slide(place, this.stops[place], value);
      changed = true;
    });
    if (!changed) return;
    this.signals();
    this.view.runAsync();
  }
}

function sortable(table) {
  const body = table.tBodies[0];
  const heads = [...table.tHead.rows[0].cells];
  const key = (row, place) => row.cells[place].dataset.key ?? row.cells[place].textContent;
  heads.forEach((head, place) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const rises = head.getAttribute("aria-sort") !== "ascending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", rises ? "ascending" : "descending");
      const isNumber = head.classList.contains("number");
      const rows = [...body.rows].map((row) => [row, isNumber ? Number(key(row, place)) : key(row, place)]);
      const missing = (value) => isNumber && Number.isNaN(value);
      rows.sort(([, one], [, two]) => {
        if (missing(one) || missing(two)) return missing(one) - missing(two); // last, whichever way
        const order = isNumber ? one - two : one.localeCompare(two, undefined, { numeric: true });
        return rises ? order : -order;
      });
      body.append(...rows.map(([row]) => row));
    });
  });
}

function searchable(search) {
  const table = document.getElementById(search.dataset.table);
  const count = search.querySelector("output");
  const total = table.tBodies[0].rows.length;
  let rows = null; // read when first asked
  const tell = (shown) => (count.textContent = count.dataset.text.replace("{shown}", shown).replace("{all}", total));
  const show = () => {
    const words = search.querySelector("input").value.toLowerCase().split(/\s+/).filter(Boolean);
    rows ??= [...table.tBodies[0].rows].map((row) => [row, row.textContent.toLowerCase()]);
    let shown = 0;
    rows.forEach(([row, content]) => {
      row.hidden = !words.every((word) => content.includes(word));
      shown += !row.hidden;
    });
    tell(shown);
  };
  search.hidden = false;
  search.querySelector("input").addEventListener("input", show);
  tell(total);
}

// The figure nearest to the screen.
function nearest(figures) {
  const distance = (one) => {
    const { top, bottom } = one.figure.getBoundingClientRect();
    return Math.max(top - innerHeight, -bottom, 0);
  };
  return figures.map((one) => [one, distance(one)]).sort(([, one], [, two]) => one - two)[0][0];
}

const folded = (figure) => figure.element.closest("details:not([open])");

// Figures in a folded section are drawn when it is opened; a link into one opens it, and so does printing.
function folds(figures) {
  const sections = [...document.querySelectorAll("details")];
  sections.forEach((section) =>
    section.addEventListener("toggle", () => {
      if (section.open) figures.filter((one) => section.contains(one.element) && !one.view).forEach((one) => one.start());
    }),
  );
  const unfold = () => {
    const place = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    const section = place && (place.closest("details") ?? place.querySelector(":scope > details"));
    if (!section || section.open) return;
    section.open = true;
    place.scrollIntoView();
  };
  addEventListener("hashchange", unfold);
  document.querySelectorAll('a[href^="#"]').forEach((link) => link.addEventListener("click", () => setTimeout(unfold)));
  unfold();
}

// The entry of the contents whose section is being read is marked.
function follow() {
  const links = new Map([...document.querySelectorAll("nav a")].map((link) => [link.hash.slice(1), link]));
  const seen = new Set();
  const watcher = new IntersectionObserver((entries) => {
    entries.forEach(({ target, isIntersecting }) => (isIntersecting ? seen.add(target.id) : seen.delete(target.id)));
    const first = [...links.keys()].find((key) => seen.has(key));
    links.forEach((link, key) => (key === first ? link.setAttribute("aria-current", "true") : link.removeAttribute("aria-current")));
  });
  document.querySelectorAll("main > section").forEach((section) => watcher.observe(section));
}

async function start() {
  const figures = [...document.querySelectorAll("[data-live]")].map((element) => new Figure(element));
  document.querySelectorAll("a[data-choose]").forEach((link) => {
    const place = document.getElementById(link.hash.slice(1));
    const figure = figures.find((one) => place?.contains(one.element));
    if (figure) link.addEventListener("click", () => figure.choose(new URLSearchParams(link.dataset.choose)));
  });
  folds(figures);
  const waiting = new Set(figures.filter((one) => !folded(one)));
  const next = async () => {
    const figure = waiting.size > 1 ? nearest([...waiting]) : [...waiting][0];
    waiting.delete(figure);
    await figure.start();
  };
  if (waiting.size) await next();
  document.documentElement.dataset.first = "live";
  document.querySelectorAll("table[data-sortable]").forEach(sortable);
  document.querySelectorAll("[data-table]").forEach(searchable);
  while (waiting.size) {
    await new Promise((resolve) => setTimeout(resolve)); // the page answers in between
    await next();
  }
  document.documentElement.dataset.live = "ready";
  let settled;
  addEventListener("resize", () => {
    clearTimeout(settled);
    settled = setTimeout(() => {
      figures.filter((one) => one.view && one.plot.clientWidth !== one.width).forEach((one) => one.draw());
    }, SETTLED);
  });
  follow();
  if (location.hash) document.getElementById(decodeURIComponent(location.hash.slice(1)))?.scrollIntoView();
}

start();
