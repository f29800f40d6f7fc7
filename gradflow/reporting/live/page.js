// Live figures and sortable tables. All words come from the page; names are only ever set as text.
const NARROW = 600; // CSS pixels up to which a figure takes its narrow form
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

function tell(handler, event, item, value) {
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

class Figure {
  constructor(element) {
    this.element = element;
    this.plot = element.querySelector(".plot");
    this.inputs = [...element.querySelectorAll("[data-control]")];
    this.source = document.getElementById(element.dataset.live);
    this.width = 0;
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
    this.element.closest("figure").classList.add("is-live");
  }

  async draw() {
    this.width = this.plot.clientWidth;
    const spec = sized(this.width <= NARROW ? this.narrow : this.wide, this.width);
    this.filter();
    const options = { actions: false, renderer: "svg", ast: true, defaultStyle: false, tooltip: tell };
    const result = await vegaEmbed(this.plot, { ...spec, datasets: { rows: this.rows } }, options);
    this.view?.finalize();
    this.view = result.view;
    this.plot.querySelector("svg").setAttribute("aria-hidden", "true"); // the element around it says what it shows
    this.signals();
    this.say();
    await this.view.runAsync();
    if (this.controls.some((control) => control.kind === "pick"))
      this.view.addEventListener("pointermove", (event, item) => this.point(item));
  }

  // The rows that have every chosen value, or stand beside all of them; sliders then run over what is left.
  filter() {
    const wanted = this.controls
      .map((control, place) => [this.columns[control.column], this.inputs[place].value, control.kind])
      .filter(([, value, kind]) => kind === "select" && value !== "");
    const length = this.columns[this.names[0]].length;
    this.rows = [];
    for (let row = 0; row < length; row++) {
      if (!wanted.every(([values, value]) => values[row] === null || String(values[row]) === value)) continue;
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
    const note = this.element.querySelector(".note");
    if (note) {
      const said = [...answers.map((answer) => answer.note), note.dataset.note].filter(Boolean);
      note.textContent = said.join(note.dataset.between);
    }
    const file = answers.map((answer) => answer.file).find(Boolean);
    const link = this.element.closest("figure").querySelector("figcaption a");
    if (file && link) link.href = file;
  }

  async answer(input) {
    const place = this.inputs.indexOf(input);
    if (this.controls[place].kind === "pick") this.slide(place, this.stops[place], this.stops[place][input.value]);
    else {
      this.filter();
      this.view.data("rows", this.rows);
    }
    this.signals();
    this.say();
    await this.view.runAsync();
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
    const { top, bottom } = one.element.closest("figure").getBoundingClientRect();
    return Math.max(top - innerHeight, -bottom, 0);
  };
  return figures.map((one) => [one, distance(one)]).sort(([, one], [, two]) => one - two)[0][0];
}

async function start() {
  const figures = [...document.querySelectorAll("[data-live]")].map((element) => new Figure(element));
  document.querySelectorAll("a[data-choose]").forEach((link) => {
    const place = document.getElementById(link.hash.slice(1));
    const figure = figures.find((one) => place?.contains(one.element));
    if (figure) link.addEventListener("click", () => figure.choose(new URLSearchParams(link.dataset.choose)));
  });
  const waiting = new Set(figures);
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
  if (location.hash) document.getElementById(decodeURIComponent(location.hash.slice(1)))?.scrollIntoView();
}

start();
