//! Line plots as SVG, for a light and for a dark page.

use std::fmt::Write as _;

const WIDTH: f64 = 800.0;
const HEIGHT: f64 = 330.0;
/// The area of the lines.
const LEFT: f64 = 72.0;
const RIGHT: f64 = 575.0;
const TOP: f64 = 46.0;
const BOTTOM: f64 = 272.0;

/// Number of intervals between the labels of an axis, at most.
const INTERVALS: f64 = 6.0;

/// The colors for a page: text, lines of the grid, and series.
pub struct Theme {
    pub name: &'static str,
    text: &'static str,
    grid: &'static str,
    series: [&'static str; 5],
}

pub const THEMES: [Theme; 2] = [
    Theme {
        name: "light",
        text: "#1f2328",
        grid: "#d1d9e0",
        series: ["#0969da", "#1a7f37", "#bc4c00", "#8250df", "#6e7781"],
    },
    Theme {
        name: "dark",
        text: "#e6edf3",
        grid: "#3d444d",
        series: ["#58a6ff", "#3fb950", "#f0883e", "#bc8cff", "#9198a1"],
    },
];

/// A plot of several series over time.
pub struct Plot {
    pub title: String,
    /// Name of the time axis, with its unit.
    pub time: &'static str,
    /// Start and end of the time.
    pub range: [f64; 2],
    /// Name of the values, with their unit.
    pub values: &'static str,
    pub series: Vec<Series>,
}

pub struct Series {
    pub name: &'static str,
    /// The values at evenly spaced times, the first at the start and the last at the end.
    pub values: Vec<f64>,
    pub line: Line,
}

/// How a series is drawn.
#[derive(Clone, Copy)]
pub enum Line {
    Thin,
    /// Stays visible beneath a line that covers it.
    Wide,
    /// Not a result.
    Dashed,
}

impl Line {
    fn attributes(self) -> &'static str {
        match self {
            Self::Thin => "stroke-width=\"1.8\"",
            Self::Wide => "stroke-width=\"3.6\"",
            Self::Dashed => "stroke-width=\"1.8\" stroke-dasharray=\"5 4\"",
        }
    }
}

impl Plot {
    pub fn svg(&self, theme: &Theme) -> String {
        let Self { title, time, range: [start, end], values, series } = self;
        let Theme { text, grid, .. } = theme;
        let step = step(series.iter().flat_map(|series| &series.values).copied().fold(1.0, f64::max));
        let highest = series.iter().flat_map(|series| &series.values).fold(step, |most, value| most.max(*value));
        let highest = (highest / step - 1e-9).ceil() * step;
        let x = |time: f64| LEFT + (RIGHT - LEFT) * (time - start) / (end - start);
        let y = |value: f64| BOTTOM - (BOTTOM - TOP) * value / highest;

        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{title}\">\n\
             <title>{title}</title>\n\
             <g font-family=\"system-ui, sans-serif\" font-size=\"12\" fill=\"{text}\">\n\
             <text x=\"{LEFT}\" y=\"18\" font-size=\"14\">{title}</text>\n\
             <text x=\"{LEFT}\" y=\"38\">{values}</text>\n\
             <text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{time}</text>\n",
            (LEFT + RIGHT) / 2.0,
            BOTTOM + 44.0,
        );
        for value in ticks(0.0, highest, step) {
            let (at, label) = (y(value), grouped(value as u64));
            let _ = writeln!(svg, "<path stroke=\"{grid}\" d=\"M{LEFT} {at:.1}H{RIGHT}\"/>");
            let _ =
                writeln!(svg, "<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{label}</text>", LEFT - 8.0, at + 4.0);
        }
        for time in ticks(*start, *end, time_step(end - start)) {
            let at = x(time);
            let _ = writeln!(svg, "<path stroke=\"{grid}\" d=\"M{at:.1} {BOTTOM}v5\"/>");
            let _ = writeln!(svg, "<text x=\"{at:.1}\" y=\"{}\" text-anchor=\"middle\">{time}</text>", BOTTOM + 20.0);
        }
        // The first series covers the others.
        for (index, (Series { name, values, line }, color)) in series.iter().zip(theme.series).enumerate().rev() {
            let last = values.len().saturating_sub(1).max(1) as f64;
            let point = |(at, value): (usize, &f64)| {
                format!("{:.1},{:.1}", x(start + (end - start) * at as f64 / last), y(*value))
            };
            let points: Vec<String> = values.iter().enumerate().map(point).collect();
            let line = format!("fill=\"none\" stroke=\"{color}\" {}", line.attributes());
            let _ = writeln!(svg, "<polyline {line} points=\"{}\"/>", without_repetitions(&points).join(" "));
            let (left, middle) = (RIGHT + 18.0, TOP + 4.0 + 24.0 * index as f64);
            let _ = writeln!(svg, "<path {line} d=\"M{left} {middle}h24\"/>");
            let _ = writeln!(svg, "<text x=\"{}\" y=\"{}\">{name}</text>", left + 32.0, middle + 4.0);
        }
        svg + "</g>\n</svg>\n"
    }
}

/// Returns the distance between the labels of an axis whose highest value is `highest`: 1, 2 or 5 times a power of ten.
fn step(highest: f64) -> f64 {
    let power = 10_f64.powf((highest / INTERVALS).log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|factor| factor * power);
    steps.into_iter().find(|step| step * INTERVALS >= highest).unwrap_or(10.0 * power)
}

/// Returns the distance between the labels of a time axis in seconds or minutes.
fn time_step(length: f64) -> f64 {
    [5.0, 10.0, 15.0, 30.0].into_iter().find(|step| step * 8.0 >= length).unwrap_or(60.0)
}

fn ticks(start: f64, end: f64, step: f64) -> impl Iterator<Item = f64> {
    let first = (start / step - 1e-9).ceil() as u64;
    let last = (end / step + 1e-9).floor() as u64;
    (first..=last).map(move |number| number as f64 * step)
}

/// Formats a number with separators between groups of three digits.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().map(|group| std::str::from_utf8(group).unwrap_or("")).collect();
    groups.join(",")
}

/// Leaves out points between two of the same height.
fn without_repetitions(points: &[String]) -> Vec<&str> {
    let height = |index: usize| points.get(index).and_then(|point: &String| point.split_once(',')).map(|(_, y)| y);
    let is_needed =
        |index: &usize| *index == 0 || height(*index) != height(index - 1) || height(*index) != height(index + 1);
    (0..points.len()).filter(is_needed).map(|index| points[index].as_str()).collect()
}
