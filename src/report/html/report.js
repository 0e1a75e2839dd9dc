// Draws and filters the figures and builds the table of results. All content comes from the element #report, where the texts of
// figures are escaped for plotly; every other text is only ever set as text.
"use strict";
(() => {
  const report = JSON.parse(document.getElementById("report").textContent);
  const root = document.documentElement;
  const byId = (id) => document.getElementById(id);
  const make = (tag, attributes = {}, ...children) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...children);
    return element;
  };

  // Colours follow the system unless the reader chooses. The browser keeps the choice if it has storage.
  const system = matchMedia("(prefers-color-scheme: dark)");
  const choice = byId("theme");
  const kept = (value) => {
    try {
      if (value === undefined) return localStorage.getItem("backbone-theme");
      localStorage.setItem("backbone-theme", value);
    } catch { /* a page opened from a file may have no storage */ }
    return null;
  };
  let printing = false;
  const colours = () => {
    if (printing) return report.light;
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : system.matches;
    return dark ? report.dark : report.light;
  };
  const dress = (theme) => {
    if (theme === "system") delete root.dataset.theme;
    else root.dataset.theme = theme;
    redraw();
  };

  // Figures.
  const figures = new Map(report.figures.map((figure) => [figure.name, figure]));
  const drawn = new Set();
  const filters = byId("filters");
  const chosen = (name) =>
    new Set([...filters.querySelectorAll(`input[name=${name}]:checked`)].map((input) => input.value));
  const VERDICTS = ["valid", "unverified", "suspect"];

  // Whole numbers at 1, 2 and 5 times powers of ten, or at the powers alone over many of them.
  const ticks = ({ low, high }) => {
    const decades = Math.log10(high / low);
    const steps = decades > 4 ? [1] : decades > 0.6 ? [1, 2, 5] : [1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8];
    const tickvals = [];
    for (let power = Math.floor(Math.log10(low)) - 1; power <= Math.ceil(Math.log10(high)); power += 1) {
      steps.forEach((step) => tickvals.push(Number((step * 10 ** power).toPrecision(2))));
    }
    if (tickvals.length > 100) return {};
    return { tickvals, ticktext: tickvals.map((value) => (value >= 1e6 || value < 1e-4 ? value.toExponential() : String(value))) };
  };

  const trace = (series, shown, theme) => {
    const marks = { x: [], y: [], text: [], symbols: [], above: [], below: [], right: [], left: [] };
    const gap = () => Object.values(marks).forEach((list) => list.push(null));
    let points = 0;
    series.segments.forEach((segment, place) => {
      if (place > 0) gap();
      for (const [x, y, hover, verdict, low, high, xLow, xHigh] of segment) {
        if (!shown.has(VERDICTS[verdict])) {
          gap();
          continue;
        }
        points += 1;
        marks.x.push(x);
        marks.y.push(y);
        marks.text.push(report.hovers[hover]);
        marks.symbols.push(VERDICTS[verdict] === "suspect" ? `${series.symbol}-open` : series.symbol);
        marks.above.push(high === undefined ? 0 : high - y);
        marks.below.push(low === undefined ? 0 : y - low);
        marks.right.push(xHigh === undefined ? 0 : xHigh - x);
        marks.left.push(xLow === undefined ? 0 : x - xLow);
      }
    });
    if (points === 0) return null;
    const color = theme.series[series.color];
    const bars = (array, arrayminus) => ({
      type: "data", symmetric: false, array, arrayminus, color, thickness: 1, width: 0,
      visible: array.some((size) => size > 0),
    });
    return {
      type: "scatter",
      name: series.name,
      mode: series.joined ? "lines+markers" : "markers",
      x: marks.x,
      y: marks.y,
      hovertext: marks.text,
      hoverinfo: "text",
      connectgaps: false,
      line: { color, width: 2, dash: series.dashed ? "dash" : "solid" },
      marker: { color, size: 8, symbol: marks.symbols, line: { color, width: 1.5 } },
      error_y: bars(marks.above, marks.below),
      error_x: bars(marks.right, marks.left),
    };
  };

  const axis = (description, theme) => {
    const layout = {
      title: { text: description.title },
      type: description.type === "log" ? "log" : "linear",
      gridcolor: theme.grid, linecolor: theme.axis, zeroline: false, showline: true, automargin: true,
    };
    if (description.type === "log" && description.low > 0) Object.assign(layout, ticks(description));
    if (description.type === "linear") layout.rangemode = "tozero";
    if (description.type === "categories") {
      const labels = description.groups.flatMap(([, names]) => names);
      const borders = [];
      description.groups.reduce((end, [, names]) => (borders.push(end + names.length), end + names.length), 0);
      Object.assign(layout, {
        tickvals: labels.map((_, place) => place),
        ticktext: labels,
        range: [-0.6, labels.length - 0.4],
        showgrid: false,
      });
      // The name of a group goes below its middle label.
      description.groups.forEach(([name, names], place) => {
        const first = borders[place] - names.length;
        const middle = first + Math.floor((names.length - 1) / 2);
        layout.ticktext[middle] += `<br>${name}`;
      });
      layout.borders = borders.slice(0, -1);
    }
    return layout;
  };

  const draw = (place) => {
    const figure = figures.get(place.dataset.figure);
    const theme = colours();
    const blocks = chosen("block");
    const verdicts = chosen("verdict");
    const series = figure.series.filter((one) => one.block === null || blocks.has(one.block));
    const traces = series.map((one) => trace(one, verdicts, theme)).filter(Boolean);
    // Fronts are of all blocks, so they go when some are hidden.
    const all = series.length === figure.series.length && verdicts.size === VERDICTS.length;
    const shown = figure.references.filter((one) => one.role !== "front" || all);
    const references = shown.map((one) => ({
      type: "scatter", mode: "lines", name: one.name, hoverinfo: "skip", showlegend: one.listed,
      x: one.corners.map(([x]) => x), y: one.corners.map(([, y]) => y),
      line: { color: theme.muted, width: one.role === "front" ? 1.6 : 1.2, dash: one.role === "front" ? "solid" : "dot" },
    }));
    const names = shown.filter((one) => one.role === "level").map((one) => {
      const [x, y] = one.corners[one.corners.length - 1];
      return {
        text: one.name, x: Math.log10(x), y: Math.log10(y), showarrow: false, xanchor: "right", yanchor: "bottom",
        font: { size: 11, color: theme.muted },
      };
    });
    const [x, y] = ["x", "y"].map((name) => {
      const values = traces.flatMap((one) => one[name]).filter((value) => value !== null);
      return axis({ ...figure[name], low: Math.min(...values), high: Math.max(...values) }, theme);
    });
    const borders = x.borders || [];
    delete x.borders;
    const wide = place.parentElement.clientWidth > 800;
    const layout = {
      title: { text: figure.title, x: 0, xref: "paper", xanchor: "left", font: { size: 15 } },
      height: wide ? 470 : 520,
      margin: { l: 64, r: 16, t: 40, b: 60 },
      paper_bgcolor: theme.background, plot_bgcolor: theme.background,
      font: { color: theme.text, family: "system-ui, sans-serif", size: 12 },
      hovermode: "closest",
      hoverlabel: { bgcolor: theme.background, bordercolor: theme.axis, font: { color: theme.text }, align: "left" },
      legend: wide ? { x: 1.01, y: 1 } : { orientation: "h", y: -0.16, font: { size: 11 } },
      xaxis: x, yaxis: y,
      shapes: borders.map((border) => ({
        type: "line", x0: border - 0.5, x1: border - 0.5, y0: 0, y1: 1, yref: "paper",
        line: { color: theme.grid, width: 1 },
      })),
      annotations: traces.length ? names : [{
        text: "No points: the filters hide all of them.", showarrow: false,
        xref: "paper", yref: "paper", x: 0.5, y: 0.5, font: { size: 15 },
      }],
      showlegend: true,
    };
    place.hidden = false;
    place.parentElement.classList.add("drawn");
    place.setAttribute("role", "img");
    place.setAttribute("tabindex", "0");
    const title = new DOMParser().parseFromString(figure.title, "text/html").documentElement.textContent;
    place.setAttribute("aria-label", `${title}. ${figure.description}`);
    place.dataset.points = String(traces.reduce((sum, one) => sum + one.x.filter((value) => value !== null).length, 0));
    Plotly.react(place, traces.length ? [...references, ...traces] : [], layout, {
      displayModeBar: false, responsive: true, plotlyServerURL: "",
    });
    drawn.add(place);
  };

  function redraw() {
    drawn.forEach(draw);
  }

  // Arrow keys move from point to point, like a mouse.
  const step = (place, by) => {
    const points = place.data.flatMap((one, curve) =>
      one.hoverinfo === "text" ? one.x.map((x, number) => (x === null ? null : [curve, number])).filter(Boolean) : []);
    if (points.length === 0) return;
    const at = (Number(place.dataset.at || -1) + by + points.length) % points.length;
    place.dataset.at = String(at);
    const [curveNumber, pointNumber] = points[at];
    Plotly.Fx.hover(place, [{ curveNumber, pointNumber }]);
    const words = new DOMParser().parseFromString(place.data[curveNumber].hovertext[pointNumber], "text/html");
    byId("spoken").textContent = [...words.body.childNodes].map((node) => node.textContent).filter(Boolean).join(", ");
  };

  // The table of results.
  const ROWS_A_PAGE = 50;
  const MOST_PRINTED = 2000;
  const word = (number) => report.texts[number];
  const columns = [
    ["Result", (row) => row[0]],
    ["Platform", (row) => (row[1] === null ? "" : report.platforms[row[1]])],
    ["Network", (row) => word(row[2])],
    ["Status", (row) => word(row[3])],
    ["Verdict", (row) => word(row[4])],
    ["Mean latency, ms", (row) => row[5], true],
    ["Standard deviation, ms", (row) => row[6], true],
    ["Throughput, 10⁹ operations/s", (row) => row[7], true],
    ["Why", (row) => word(row[8])],
    ["What to do", (row) => word(row[9])],
    ["Job", (row) => word(row[10])],
    ["Finished", (row) => word(row[11])],
    ["Runtime", (row) => word(row[12])],
    ["Precision", (row) => word(row[13])],
    ["Labels", (row) => row[14].map(word).join(", ")],
    ["File", (row) => (row[15] === undefined ? "" : row[15])],
  ];
  const state = { page: 0, column: null, down: false, text: "", picked: {}, since: "", until: "", only: null, mark: null, all: false };
  // What a result can be filtered by; each reads a list.
  const PICKED = {
    Platform: (row) => [row[1] === null ? "" : report.platforms[row[1]]],
    Runtime: (row) => [word(row[12])],
    Precision: (row) => [word(row[13])],
    Job: (row) => [word(row[10])],
    Label: (row) => row[14].map(word),
    Status: (row) => [word(row[3])],
    Verdict: (row) => [word(row[4])],
  };
  const order = new Intl.Collator("en", { numeric: true });

  const wanted = () => {
    const text = state.text.toLowerCase();
    const rows = report.rows.map((row, number) => [row, number]).filter(([row, number]) =>
      (state.only === null || state.only.has(number)) &&
      Object.entries(state.picked).every(([key, value]) => value === "" || PICKED[key](row).includes(value)) &&
      (state.since === "" || word(row[11]).slice(0, 10) >= state.since) &&
      (state.until === "" || word(row[11]).slice(0, 10) <= state.until) &&
      (text === "" || columns.some(([, read]) => String(read(row) ?? "").toLowerCase().includes(text))));
    if (state.column !== null) {
      const [, read, isNumber] = columns[state.column];
      const compare = (one, other) => {
        const [a, b] = [read(one[0]), read(other[0])];
        // Absent values come last in either direction.
        if (a === null || b === null) return (a === null) - (b === null);
        return (isNumber ? a - b : order.compare(a, b)) * (state.down ? -1 : 1);
      };
      rows.sort(compare);
    }
    return rows;
  };

  const digits = (value) => (value === null ? "–" : String(value).replaceAll("-", "−"));
  const body = make("tbody");
  const count = make("p", { role: "status" });
  const headings = columns.map(([name, , isNumber], number) => {
    const button = make("button", { type: "button" }, name);
    button.addEventListener("click", () => {
      state.down = state.column === number && !state.down;
      state.column = number;
      show();
    });
    return make("th", isNumber ? { scope: "col", class: "n" } : { scope: "col" }, button);
  });

  function show() {
    const rows = wanted();
    const pages = Math.max(1, Math.ceil(rows.length / ROWS_A_PAGE));
    state.page = Math.min(Math.max(0, state.page), pages - 1);
    const from = state.page * ROWS_A_PAGE;
    const shown = state.all ? rows.slice(0, MOST_PRINTED) : rows.slice(from, from + ROWS_A_PAGE);
    body.replaceChildren(...shown.map(([row, number]) => {
      const cells = columns.map(([, read, isNumber]) =>
        isNumber ? make("td", { class: "n" }, digits(read(row))) : make("td", {}, read(row)));
      const line = make("tr", { id: `row-${number}`, tabindex: "-1" }, ...cells);
      if (number === state.mark) line.className = "marked";
      if (report.latencies && report.latencies[number].length > 0) {
        const button = make("button", { type: "button", "aria-label": `Latencies of ${row[0]}` }, "Latencies");
        button.addEventListener("click", () => latencies(number));
        line.firstChild.append(" ", button);
      }
      return line;
    }));
    headings.forEach((heading, number) => {
      if (number === state.column) heading.setAttribute("aria-sort", state.down ? "descending" : "ascending");
      else heading.removeAttribute("aria-sort");
    });
    const some = rows.length === report.rows.length ? "" : ` of ${report.rows.length}`;
    count.textContent = `${rows.length}${some} results, page ${state.page + 1} of ${pages}`;
    back.disabled = state.page === 0;
    on.disabled = state.page === pages - 1;
    whole.hidden = state.only === null;
  }

  const turn = (label, by) => {
    const button = make("button", { type: "button" }, label);
    button.addEventListener("click", () => { state.page += by; show(); });
    return button;
  };
  const back = turn("Previous", -1);
  const on = turn("Next", 1);
  const whole = make("button", { type: "button" }, "Show all results");
  whole.addEventListener("click", () => { state.only = null; state.page = 0; show(); });
  const MOST_PICKED = 500;
  const pick = (label) => {
    const values = [...new Set(report.rows.flatMap(PICKED[label]))].filter((value) => value !== "").sort(order.compare);
    if (values.length < 2 || values.length > MOST_PICKED) return "";
    const select = make("select", {}, make("option", { value: "" }, "all"));
    values.forEach((value) => select.append(make("option", { value }, value)));
    select.addEventListener("change", () => { state.picked[label] = select.value; state.page = 0; show(); });
    return make("label", {}, `${label} `, select);
  };
  const day = (label, key) => {
    const input = make("input", { type: "date" });
    input.addEventListener("change", () => { state[key] = input.value; state.page = 0; show(); });
    return make("label", {}, `${label} `, input);
  };
  const search = make("input", { type: "search", id: "search" });
  search.addEventListener("input", () => { state.text = search.value; state.page = 0; show(); });

  const table = byId("table");
  table.append(
    make("div", { class: "tools" },
      make("label", {}, "Search ", search),
      ...Object.keys(PICKED).map(pick), day("From", "since"), day("To", "until"),
      back, on, whole),
    make("div", { id: "latencies", hidden: "" }),
    count,
    make("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": "all results" },
      make("table", {}, make("thead", {}, make("tr", {}, ...headings)), body)));

  const lead = (number) => {
    Object.assign(state, { only: null, text: "", picked: {}, since: "", until: "", column: null, mark: number });
    search.value = "";
    table.querySelectorAll("select, input[type=date]").forEach((input) => { input.value = ""; });
    state.page = Math.floor(number / ROWS_A_PAGE);
    show();
    const line = byId(`row-${number}`);
    line.scrollIntoView({ block: "center" });
    line.focus({ preventScroll: true });
  };

  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-finding], a[href^='#row-']");
    if (!link) return;
    const behind = link.dataset.finding === undefined
      ? (link.dataset.rows || "").split(" ").filter(Boolean).map(Number)
      : report.findings[Number(link.dataset.finding)];
    event.preventDefault();
    lead(link.dataset.finding === undefined && behind.length < 2 ? Number(link.getAttribute("href").slice("#row-".length)) : behind[0]);
    if (behind.length < 2) return;
    Object.assign(state, { only: new Set(behind), page: 0, mark: null });
    show();
    byId("results").scrollIntoView();
    table.querySelector("tbody tr")?.focus({ preventScroll: true });
  });

  // All latencies of one result: in the order in which they were taken, and how often each occurred.
  const BINS = 40;
  function latencies(number) {
    const place = byId("latencies");
    const theme = colours();
    const lists = report.latencies[number].map((list) => list.map((value) => value / 1e6));
    const all = lists.flat();
    const [low, high] = [Math.min(...all), Math.max(...all)];
    const width = (high - low) / BINS || Math.max(high, 1e-6) / BINS;
    const counts = Array(BINS).fill(0);
    all.forEach((value) => { counts[Math.min(BINS - 1, Math.floor((value - low) / width))] += 1; });
    const close = make("button", { type: "button" }, "Close");
    close.addEventListener("click", () => { place.hidden = true; });
    const [sequence, histogram] = [make("div"), make("div")];
    const name = `${word(report.rows[number][2])}, ${report.rows[number][0]}`;
    place.replaceChildren(
      make("h3", {}, `Latencies of ${name}`), close,
      make("p", {}, `${all.length} runs in ${lists.length} ${lists.length === 1 ? "process" : "processes"}, from ${low} to ${high} ms.`),
      make("div", { class: "multiples" }, sequence, histogram));
    place.hidden = false;
    const axes = (x, y) => ({
      height: 340, margin: { l: 64, r: 16, t: 20, b: 50 }, showlegend: lists.length > 1,
      paper_bgcolor: theme.background, plot_bgcolor: theme.background,
      font: { color: theme.text, family: "system-ui, sans-serif", size: 12 },
      xaxis: { title: { text: x }, gridcolor: theme.grid, zeroline: false },
      yaxis: { title: { text: y }, gridcolor: theme.grid, zeroline: false },
    });
    const options = { displayModeBar: false, responsive: true, plotlyServerURL: "" };
    const color = (process) => theme.series[process % theme.series.length];
    let run = 0;
    Plotly.react(sequence, lists.map((list, process) => ({
      type: "scatter", mode: "markers", name: `process ${process + 1}`, x: list.map(() => (run += 1)), y: list,
      marker: { size: 5, color: color(process) }, hovertemplate: "run %{x}: %{y} ms<extra></extra>",
    })), axes("timed run", "latency, ms"), options);
    Plotly.react(histogram, [{
      type: "bar", x: counts.map((_, bin) => low + (bin + 0.5) * width), y: counts, width,
      marker: { color: theme.series[0] }, hovertemplate: "%{x:.4g} ms: %{y} runs<extra></extra>",
    }], axes("latency, ms", "runs"), options);
    place.scrollIntoView({ block: "nearest" });
    close.focus({ preventScroll: true });
  }

  // Every other table sorts by a click on a heading, and its numbers can be copied for a spreadsheet.
  const numeric = (text) => Number.parseFloat(text.replace("−", "-").replace(/^[^0-9-]+/, ""));
  const sortable = (one) => {
    const head = [...one.querySelectorAll("thead th")];
    const lines = one.querySelector("tbody");
    if (!lines || head.length === 0 || lines.rows.length < 2) return;
    const sort = (heading, column, isNumber) => {
      const down = heading.getAttribute("aria-sort") === "ascending";
      head.forEach((other) => other.removeAttribute("aria-sort"));
      heading.setAttribute("aria-sort", down ? "descending" : "ascending");
      const read = (line) => line.cells[column]?.textContent ?? "";
      const compare = (a, b) => {
        if (!isNumber) return order.compare(read(a), read(b)) * (down ? -1 : 1);
        const [x, y] = [numeric(read(a)), numeric(read(b))];
        if (Number.isNaN(x) || Number.isNaN(y)) return Number.isNaN(x) - Number.isNaN(y);
        return (x - y) * (down ? -1 : 1);
      };
      lines.append(...[...lines.rows].sort(compare));
    };
    head.forEach((heading, column) => {
      if (heading.querySelector("svg")) return;
      const isNumber = heading.classList.contains("n");
      const button = make("button", { type: "button" }, ...heading.childNodes);
      button.addEventListener("click", () => sort(heading, column, isNumber));
      heading.replaceChildren(button);
    });
  };
  const copyable = (frame) => {
    const one = frame.querySelector("table");
    const button = make("button", { type: "button", class: "copy" }, "Copy");
    button.setAttribute("aria-label", `Copy the table: ${frame.getAttribute("aria-label")}`);
    button.addEventListener("click", () => {
      const text = [...one.rows].map((line) =>
        [...line.cells].map((cell) => cell.textContent.trim()).join("\t")).join("\n");
      const said = (words) => { byId("spoken").textContent = words; button.textContent = words; };
      // A page that was opened from a file may have no clipboard of its own.
      const held = make("textarea", {}, text);
      document.body.append(held);
      held.select();
      said(document.execCommand("copy") ? "Copied" : "Not copied");
      held.remove();
    });
    frame.before(button);
  };
  document.querySelectorAll(".scroll > table").forEach((one) => {
    if (table.contains(one)) return;
    sortable(one);
    copyable(one.parentElement);
  });
  const platform = byId("platform");
  platform?.addEventListener("change", () => {
    document.querySelectorAll("[data-platform]").forEach((part) => {
      part.hidden = platform.value !== "" && part.dataset.platform !== platform.value;
    });
  });

  // Start: draw each figure when it scrolls into view.
  const places = [...document.querySelectorAll(".interactive")];
  document.querySelectorAll(".controls").forEach((element) => { element.hidden = false; });
  filters.hidden = places.length === 0;
  filters.addEventListener("change", redraw);
  filters.addEventListener("submit", (event) => event.preventDefault());
  choice.value = kept() || "system";
  if (choice.selectedIndex < 0) choice.value = "system";
  dress(choice.value);
  choice.addEventListener("change", () => { kept(choice.value); dress(choice.value); });
  system.addEventListener("change", redraw);
  document.body.append(make("div", { id: "spoken", class: "spoken", "aria-live": "polite" }));
  const sight = new IntersectionObserver((entries) => entries.forEach((entry) => {
    if (!entry.isIntersecting) return;
    sight.unobserve(entry.target);
    draw(entry.target.querySelector(".interactive"));
  }), { rootMargin: "600px" });
  places.forEach((place) => {
    sight.observe(place.parentElement);
    place.addEventListener("keydown", (event) => {
      const by = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      if (by === undefined) return;
      event.preventDefault();
      step(place, by);
    });
  });
  addEventListener("beforeprint", () => {
    state.all = true;
    show();
    // Static figures are printed if the page has them.
    printing = true;
    places.filter((place) => !place.parentElement.querySelector(".static")).forEach(draw);
  });
  addEventListener("afterprint", () => {
    state.all = false;
    show();
    printing = false;
    redraw();
  });
  show();
})();
