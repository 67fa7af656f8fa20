"use strict";
(() => {
  const by = (id) => document.getElementById(id);
  let data, places, titles, rows, methods, networks;
  const take = (given) => {
    data = given;
    places = Object.fromEntries(data.columns.map((column) => [column.field, column.decimals]));
    titles = Object.fromEntries(data.columns.map((column) => [column.field, column.title]));
    rows = data.rows.map((row, i) => Object.assign({ number: i }, Object.fromEntries(data.columns.map((c, k) => [c.field, row[k]]))));
    const values = (field) => [...new Set(rows.map((row) => row[field]))];
    methods = values("method");
    networks = values("architecture");
  };
  take(JSON.parse(by("data").textContent));

  // The theme: the reader's, unless a button says otherwise.
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const show = (on) => {
    document.documentElement.dataset.theme = on ? "dark" : "light";
    by("theme").textContent = on ? "Light" : "Dark";
    by("theme").setAttribute("aria-pressed", String(on));
    if (chart) draw();
  };
  let chart = null;
  let asked = "";
  window.addEventListener("beforeprint", () => { asked = document.documentElement.dataset.theme; show(false); });
  window.addEventListener("afterprint", () => show(asked === "dark"));
  by("theme").addEventListener("click", () => show(document.documentElement.dataset.theme !== "dark"));

  // The table. Cells are written as text, never as HTML.
  const text = (cell) => {
    const span = document.createElement("span");
    const value = cell.getValue();
    const decimals = places[cell.getField()];
    const number = typeof value === "number" && Number.isInteger(decimals);
    span.textContent = value === null || value === undefined ? "\u2014" : number ? value.toFixed(decimals) : String(value);
    return span;
  };
  const least = (wanted, value) => {
    const found = /^\s*([<>]=?|=)?\s*(-?[\d.]+(?:e-?\d+)?)\s*$/i.exec(wanted);
    if (!found) return String(value).includes(wanted.trim());
    if (value === null) return false;
    const limit = Number(found[2]);
    return { "<": value < limit, "<=": value <= limit, ">": value > limit, ">=": value >= limit }[found[1]] ?? value === limit;
  };
  const missingLast = (a, b, x, y, column, direction) => {
    if (a === null || b === null) return a === b ? 0 : (a === null) === (direction === "asc") ? 1 : -1;
    return a - b;
  };
  const columns = () => data.columns.map((column) => ({
    title: column.title.replace(/[&<>"]/g, (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[c]),
    field: column.field, formatter: text, formatterPrint: text, headerFilter: "input", maxWidth: 360,
    headerFilterPlaceholder: column.number && column.field !== "seed" ? "e.g. > 90" : "", hozAlign: column.number ? "right" : "left",
    sorter: column.number ? missingLast : "string", headerFilterFunc: column.number ? least : "like",
  }));
  const table = new Tabulator("#table", {
    data: rows, index: "number", height: rows.length > 25 ? "36rem" : false, layout: "fitData", printAsHtml: true, printStyled: true,
    placeholder: "No trial is left by these filters", movableColumns: true, initialSort: [],
    columns: columns(),
  });
  const keyboard = () => document.querySelectorAll("#table .tabulator-col[role=columnheader]").forEach((head) => {
    head.tabIndex = 0;
    head.addEventListener("keydown", (event) => {
      if (event.target === head && (event.key === "Enter" || event.key === " ")) {
        event.preventDefault();
        (head.querySelector(".tabulator-col-content") || head).click();
      }
    });
  });
  const narrow = () => {
    const wanted = by("find").value.toLowerCase();
    table.setFilter((row) => data.columns.some((column) => String(row[column.field] ?? "").toLowerCase().includes(wanted)));
  };
  by("find").addEventListener("input", narrow);
  by("clear").addEventListener("click", () => { by("find").value = ""; table.clearFilter(true); });

  // The plot: what the table shows.
  const colours = {
    light: ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#882255", "#7F7F7F"],
    dark: ["#56B4E9", "#F28E4B", "#35C49A", "#E3A5C8", "#F0C04A", "#9BD5F5", "#D97FA0", "#B4B4B4"],
  };
  const shapes = ["circle", "rect", "triangle", "rectRot", "cross", "star", "crossRot", "dash"];
  const offer = (list, fields) => {
    const chosen = list.value;
    list.replaceChildren(...fields.map((field) => new Option(titles[field], field, false, field === chosen)));
  };
  const offerAll = () => { offer(by("x"), data.x); offer(by("y"), data.y); };
  offerAll();
  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  let active = rows;
  const draw = () => {
    const x = by("x").value, y = by("y").value;
    by("plot").hidden = !x || !y;
    if (!x || !y) return;
    const better = y === "rmse" ? (a, b) => a < b : (a, b) => a > b;
    let shown = active.filter((row) => row[x] !== null && row[y] !== null);
    if (by("zoom").checked) {
      const sorted = shown.map((row) => row[y]).sort((a, b) => (better(a, b) ? -1 : 1));
      const limit = sorted[Math.ceil(sorted.length / 2) - 1];
      shown = shown.filter((row) => row[y] === limit || better(row[y], limit));
    }
    const front = [];
    [...shown].sort((a, b) => a[x] - b[x] || (better(a[y], b[y]) ? -1 : 1)).forEach((row) => {
      if (!front.length || better(row[y], front[front.length - 1][y])) front.push(row);
    });
    const sets = [], shades = colours[document.documentElement.dataset.theme], many = shown.length > 1000;
    methods.forEach((method, m) => networks.forEach((network, n) => {
      const own = shown.filter((row) => row.method === method && row.architecture === network);
      if (own.length) sets.push({
        label: `${network}, ${method}`, data: own.map((row) => ({ x: row[x], y: row[y], row })), pointStyle: shapes[n % shapes.length],
        backgroundColor: shades[m % shades.length], borderColor: shades[m % shades.length], pointRadius: many ? 3 : 5, pointHoverRadius: 8,
      });
    }));
    sets.push({ label: "not beaten", data: front.map((row) => ({ x: row[x], y: row[y], row })), showLine: true, borderColor: css("--soft"), borderWidth: 1, borderDash: [4, 3], pointStyle: "line", pointRadius: 0, pointHitRadius: 0, stepped: "before" });
    if (chart) chart.destroy();
    const axis = (field, type) => ({ type, title: { display: true, text: titles[field], color: css("--ink") }, ticks: { color: css("--soft") }, grid: { color: css("--line") } });
    chart = new Chart(by("chart"), {
      type: "scatter", data: { datasets: sets },
      options: {
        animation: false, maintainAspectRatio: false, scales: { x: axis(x, by("log").checked ? "logarithmic" : "linear"), y: { ...axis(y, "linear"), max: y === "accuracy" ? 100 : undefined } },
        onClick: (_, hit) => { if (hit.length) find(hit[0].element.$context.raw.row); },
        plugins: {
          legend: { position: by("chart").parentElement.clientWidth < 600 ? "bottom" : "right", labels: { color: css("--ink"), usePointStyle: true, boxHeight: 7 } },
          tooltip: { callbacks: { label: (one) => { const row = one.raw.row; return [`${row.policy}: ${row[y]}`, `${row.architecture}, ${row.dataset}, ${row.method}`, `${titles[x]} ${row[x]}, seed ${row.seed}, trial ${row.trial}`]; } } },
        },
      },
    });
  };
  let found = null;
  const mark = () => {
    document.querySelectorAll("#table .found").forEach((one) => one.classList.remove("found"));
    const row = found === null ? false : table.getRow(found);
    if (row) row.getElement().classList.add("found");
    return row;
  };
  const find = (row) => {
    table.scrollToRow(row.number, "center", true).then(() => {
      found = row.number;
      mark().getElement().scrollIntoView({ block: "center" });
    });
  };
  ["x", "y", "log", "zoom"].forEach((id) => by(id).addEventListener("change", draw));
  table.on("tableBuilt", () => { keyboard(); });
  table.on("dataFiltered", (_, left) => {
    active = left.map((row) => row.getData());
    by("count").textContent = `${active.length} of ${rows.length} trials`;
    draw();
  });
  by("count").textContent = `${rows.length} trials`;
  show(dark.matches);
  draw();

  // A page that is served asks for newer trials; sort, filters and place stay as the reader left them.
  const drawn = data.version;
  const tell = (trouble) => {
    const { done, failed, skipped, left, all } = data.progress;
    const parts = [`${done} of ${all} trials done`, failed && `${failed} failed`, skipped && `${skipped} skipped`, `${left} left`];
    const stale = data.version === drawn ? "" : " Text and figures are those of the time when the page was loaded: load it again for newer ones.";
    by("live").textContent = `${parts.filter(Boolean).join(", ")}.${stale}${trouble}`;
    by("live").hidden = false;
  };
  const renew = async (given) => {
    const fields = JSON.stringify(data.columns);
    take(given);
    if (JSON.stringify(data.columns) !== fields) {
      const sorted = table.getSorters().map(({ field, dir }) => ({ column: field, dir }));
      const typed = table.getHeaderFilters();
      table.setColumns(columns());
      typed.forEach(({ field, value }) => titles[field] && table.setHeaderFilterValue(field, value));
      const kept = sorted.filter(({ column }) => titles[column]);
      if (kept.length) table.setSort(kept);
      keyboard();
    }
    const place = document.querySelector("#table .tabulator-tableholder")?.scrollTop ?? 0;
    await table.replaceData(rows);
    const holder = document.querySelector("#table .tabulator-tableholder");
    if (holder) holder.scrollTop = place;
    mark();
    offerAll();
    active = table.getData("active");
    by("count").textContent = `${active.length} of ${rows.length} trials`;
    draw();
  };
  const ask = async () => {
    let trouble = "";
    try {
      const answer = await fetch(`trials.json?known=${data.version}`);
      if (answer.status === 200) await renew(await answer.json());
      else if (answer.status !== 204) trouble = ` ${await answer.text()}`;
    } catch { trouble = " The server does not answer; is it still running?"; }
    tell(trouble);
    setTimeout(ask, data.progress.left ? 2000 : 10000);
  };
  if (data.progress) { tell(""); setTimeout(ask, 2000); }
})();
