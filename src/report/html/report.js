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
  const MOST_REFERENCES = 3;
  const VERDICTS = ["valid", "unverified", "suspect"];
  const decades = (values) => Math.log10(Math.max(...values) / Math.min(...values));

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
    // Three labels a decade read better than nine.
    if (description.type === "log" && description.decades > 1) layout.dtick = description.decades > 4 ? 1 : "D2";
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
    const many = figure.references.length > MOST_REFERENCES;
    const references = figure.references.map((one, number) => ({
      type: "scatter", mode: "lines", name: many ? `${one.name} and others` : one.name, hoverinfo: "skip",
      showlegend: !many || number === 0,
      x: one.corners.map(([x]) => x), y: one.corners.map(([, y]) => y),
      line: { color: theme.muted, width: 1.2, dash: "dot" },
    }));
    const [x, y] = ["x", "y"].map((name) => {
      const values = traces.flatMap((one) => one[name]).filter((value) => value !== null);
      return axis({ ...figure[name], decades: decades(values) }, theme);
    });
    const borders = x.borders || [];
    delete x.borders;
    const wide = place.parentElement.clientWidth > 760;
    const layout = {
      title: { text: figure.title, x: 0, xref: "paper", xanchor: "left", font: { size: 15 } },
      height: wide ? 470 : 560,
      margin: { l: 70, r: 20, t: 48, b: 70 },
      paper_bgcolor: theme.background, plot_bgcolor: theme.background,
      font: { color: theme.text, family: "system-ui, sans-serif", size: 12 },
      hovermode: "closest",
      hoverlabel: { bgcolor: theme.background, bordercolor: theme.axis, font: { color: theme.text }, align: "left" },
      legend: wide ? { x: 1.01, y: 1 } : { orientation: "h", y: -0.3 },
      xaxis: x, yaxis: y,
      shapes: borders.map((border) => ({
        type: "line", x0: border - 0.5, x1: border - 0.5, y0: 0, y1: 1, yref: "paper",
        line: { color: theme.grid, width: 1 },
      })),
      annotations: traces.length ? [] : [{
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
    ["File", (row) => (row[12] === undefined ? "" : row[12])],
  ];
  const state = { page: 0, column: null, down: false, text: "", status: "", verdict: "", only: null, mark: null, all: false };
  const order = new Intl.Collator("en", { numeric: true });

  const wanted = () => {
    const text = state.text.toLowerCase();
    const rows = report.rows.map((row, number) => [row, number]).filter(([row, number]) =>
      (state.only === null || state.only.has(number)) &&
      (state.status === "" || word(row[3]) === state.status) &&
      (state.verdict === "" || word(row[4]) === state.verdict) &&
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
  const pick = (label, key, read) => {
    const select = make("select", {}, make("option", { value: "" }, "all"));
    [...new Set(report.rows.map((row) => word(read(row))))].sort().forEach((value) =>
      select.append(make("option", { value }, value)));
    select.addEventListener("change", () => { state[key] = select.value; state.page = 0; show(); });
    return make("label", {}, `${label} `, select);
  };
  const search = make("input", { type: "search", id: "search" });
  search.addEventListener("input", () => { state.text = search.value; state.page = 0; show(); });

  const table = byId("table");
  table.append(
    make("div", { class: "tools" },
      make("label", {}, "Search ", search),
      pick("Status", "status", (row) => row[3]),
      pick("Verdict", "verdict", (row) => row[4]),
      back, on, whole),
    count,
    make("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": "all results" },
      make("table", {}, make("thead", {}, make("tr", {}, ...headings)), body)));

  const lead = (number) => {
    Object.assign(state, { only: null, text: "", status: "", verdict: "", column: null, mark: number });
    search.value = "";
    table.querySelectorAll("select").forEach((select) => { select.value = ""; });
    state.page = Math.floor(number / ROWS_A_PAGE);
    show();
    const line = byId(`row-${number}`);
    line.scrollIntoView({ block: "center" });
    line.focus({ preventScroll: true });
  };

  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-finding], a[href^='#row-']");
    if (!link) return;
    if (link.dataset.finding === undefined) {
      event.preventDefault();
      lead(Number(link.getAttribute("href").slice("#row-".length)));
    } else {
      state.only = new Set(report.findings[Number(link.dataset.finding)]);
      state.page = 0;
      show();
    }
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
  const opened = new Set();
  addEventListener("beforeprint", () => {
    document.querySelectorAll("details.rows:not([open])").forEach((one) => { one.open = true; opened.add(one); });
    state.all = true;
    show();
    // Static figures are printed if the page has them.
    printing = true;
    places.filter((place) => !place.parentElement.querySelector(".static")).forEach(draw);
  });
  addEventListener("afterprint", () => {
    opened.forEach((one) => { one.open = false; });
    opened.clear();
    state.all = false;
    show();
    printing = false;
    redraw();
  });
  show();
})();
