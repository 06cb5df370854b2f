//! How what the hub measured grows with what it stores: the figures of several `varco-hub bench
//! all --json` side by side, as one SVG.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use serde_json::Value;

/// `growth`.
#[derive(Debug, Args)]
pub(crate) struct Settings {
    /// Files that `varco-hub bench all --json` wrote, each with another `--rows`
    #[arg(required = true, num_args = 2.., value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Where the plot goes
    #[arg(long, value_name = "FILE", default_value = "benches/growth.svg")]
    out: PathBuf,
}

/// Colours of a chart's lines, in their order.
const COLOURS: [&str; 6] = [
    "#1f6feb", "#c2410c", "#15803d", "#7e22ce", "#a16207", "#0e7490",
];
/// A chart's size in the plot's units, and where its axes lie.
const WIDE: f64 = 400.0;
const HIGH: f64 = 300.0;
const LEFT: f64 = 62.0;
const LOW: f64 = 262.0;
const TOP: f64 = 30.0;

/// One line of a chart: a name and (transits stored, value), values above 0.
struct Line {
    name: String,
    points: Vec<(f64, f64)>,
    dashed: bool,
}

/// One chart, both axes by powers of ten.
struct Chart {
    title: &'static str,
    lines: Vec<Line>,
}

/// Draws them.
///
/// # Errors
/// When a file is not what `bench all --json` writes.
pub(crate) fn growth(settings: &Settings) -> anyhow::Result<()> {
    let mut runs = Vec::new();
    for path in &settings.files {
        let text = std::fs::read_to_string(path).with_context(|| format!("{}", path.display()))?;
        let run: Value = serde_json::from_str(&text).with_context(|| {
            let path = path.display();
            format!("`{path}` is not what `varco-hub bench all --json` writes")
        })?;
        let rows = run["lookup"]["rows"].as_f64().with_context(|| {
            let path = path.display();
            format!("`{path}` has no `lookup.rows`: measure with `varco-hub bench all --json`")
        })?;
        runs.push((rows, run));
    }
    runs.sort_by(|a, b| a.0.total_cmp(&b.0));
    std::fs::write(&settings.out, drawn(&charts(&runs)))
        .with_context(|| format!("cannot write `{}`", settings.out.display()))
}

/// A value of each run, by its path in the JSON; what is missing or 0 is left out.
fn line(runs: &[(f64, Value)], name: &str, path: &str, dashed: bool) -> Line {
    let value = |(rows, run): &(f64, Value)| {
        let value = run.pointer(path)?.as_f64()?;
        (value > 0.0).then_some((*rows, value))
    };
    Line {
        name: name.to_owned(),
        points: runs.iter().filter_map(value).collect(),
        dashed,
    }
}

fn charts(runs: &[(f64, Value)]) -> Vec<Chart> {
    let mut lookups = Vec::new();
    for kind in ["exact", "wildcard", "misread", "camera", "area", "route"] {
        let path = |quantile| format!("/lookup/kinds/{kind}/{quantile}");
        lookups.push(line(runs, kind, &path("p50_ms"), false));
        lookups.push(line(runs, "", &path("p99_ms"), true));
    }
    let of = |name, path| line(runs, name, path, false);
    vec![
        Chart {
            title: "lookups, ms: half, and 99 of 100 (dashed), below",
            lines: lookups,
        },
        Chart {
            title: "intake, transits a second",
            lines: vec![
                of("bursts", "/intake/patterns/0/per_second"),
                of("round robin", "/intake/patterns/1/per_second"),
                of(
                    "verifying alone",
                    "/intake/patterns/0/verify_only_per_second",
                ),
            ],
        },
        Chart {
            title: "a day's end",
            lines: vec![
                of("all of it, s", "/retention/seconds"),
                of("its keys, s", "/retention/keys_s"),
                of("intake waits, ms", "/retention/longest_stall_ms"),
            ],
        },
        Chart {
            title: "memory, MiB, and opening, s",
            lines: vec![
                of("memory", "/lookup/memory_mib"),
                of("opening", "/lookup/open_s"),
            ],
        },
    ]
}

/// The charts, two in a row.
fn drawn(charts: &[Chart]) -> String {
    let rows = f64::from(u32::try_from(charts.len().div_ceil(2)).unwrap_or(1));
    let (wide, high) = (2.0 * WIDE, rows * HIGH);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {wide} {high}\" \
         font-family=\"sans-serif\" font-size=\"11\">\n\
         <rect width=\"{wide}\" height=\"{high}\" fill=\"white\"/>\n"
    );
    let (mut x, mut y) = (0.0, 0.0);
    for chart in charts {
        svg += &format!(
            "<g transform=\"translate({x} {y})\">\n{}</g>\n",
            chart.drawn()
        );
        (x, y) = if x > 0.0 { (0.0, y + HIGH) } else { (WIDE, y) };
    }
    svg + "</svg>\n"
}

impl Chart {
    fn drawn(&self) -> String {
        let title = format!("<text x=\"{LEFT}\" y=\"18\">{}</text>\n", self.title);
        let all = || self.lines.iter().flat_map(|line| &line.points);
        if all().next().is_none() {
            return title; // Nothing was measured: there are no axes.
        }
        let ends = |values: &dyn Fn(&(f64, f64)) -> f64| {
            let logs = || all().map(|point| values(point).log10());
            let least = logs().fold(f64::INFINITY, f64::min).floor();
            (least, logs().fold(least + 1.0, f64::max).ceil())
        };
        let ((first, last), (least, most)) = (ends(&|p| p.0), ends(&|p| p.1));
        let x = |rows: f64| LEFT + (rows.log10() - first) / (last - first) * (WIDE - LEFT - 90.0);
        let y = |value: f64| LOW - (value.log10() - least) / (most - least) * (LOW - TOP);
        let mut svg = title;
        let mut power = least;
        while power <= most {
            let (value, at) = (10_f64.powf(power), y(10_f64.powf(power)));
            svg += &format!(
                "<line x1=\"{LEFT}\" x2=\"{:.0}\" y1=\"{at:.1}\" y2=\"{at:.1}\" stroke=\"#ddd\"/>\
                 <text x=\"6\" y=\"{:.1}\">{value}</text>\n",
                WIDE - 90.0,
                at + 4.0
            );
            power += 1.0;
        }
        for rows in self.lines.first().map_or(&[][..], |line| &line.points) {
            svg += &format!(
                "<text x=\"{:.1}\" y=\"{:.0}\" text-anchor=\"middle\">{} M</text>\n",
                x(rows.0),
                LOW + 18.0,
                rows.0 / 1e6
            );
        }
        let named = self.lines.iter().filter(|line| !line.name.is_empty());
        for (at, line) in named.enumerate() {
            let below = f64::from(u32::try_from(at).unwrap_or(0)) * 16.0;
            svg += &format!(
                "<text x=\"{:.0}\" y=\"{:.0}\" fill=\"{}\">{}</text>\n",
                WIDE - 84.0,
                TOP + 10.0 + below,
                COLOURS[at % COLOURS.len()],
                line.name
            );
        }
        let mut colour = 0;
        for (at, line) in self.lines.iter().enumerate() {
            colour += usize::from(at > 0 && !line.name.is_empty());
            let points = line
                .points
                .iter()
                .map(|p| format!("{:.1},{:.1}", x(p.0), y(p.1)));
            svg += &format!(
                "<polyline fill=\"none\" stroke=\"{}\" stroke-width=\"1.5\"{} points=\"{}\"/>\n",
                COLOURS[colour % COLOURS.len()],
                if line.dashed {
                    " stroke-dasharray=\"4 3\""
                } else {
                    ""
                },
                points.collect::<Vec<_>>().join(" ")
            );
        }
        svg
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_times_as_many_lie_one_step_to_the_right_and_what_is_missing_is_left_out() {
        let run = |rows: f64, ms: f64| {
            let kinds = serde_json::json!({ "exact": { "p50_ms": ms, "p99_ms": 0.0 } });
            let lookup = serde_json::json!({ "rows": rows, "kinds": kinds });
            (rows, serde_json::json!({ "lookup": lookup }))
        };
        let runs = [run(1e6, 1.0), run(1e7, 10.0)];
        let all = charts(&runs);
        assert_eq!(all[0].lines[0].points, [(1e6, 1.0), (1e7, 10.0)]);
        assert!(all[0].lines[1].points.is_empty() && all[2].lines[0].points.is_empty());
        let svg = drawn(&all);
        let line = format!("points=\"{LEFT:.1},{LOW:.1} {:.1},{TOP:.1}\"", WIDE - 90.0);
        assert!(svg.contains(&line), "{svg}");
        assert!(svg.contains("1 M") && svg.contains("10 M"));
    }
}
